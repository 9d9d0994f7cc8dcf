package bot;

import com.ullink.slack.simpleslackapi.SlackSession;
import com.ullink.slack.simpleslackapi.impl.SlackSessionFactory;

/** A bot on simple-slack-api, as its README shows it. */
public final class Program {
    public static void main(String[] args) throws Exception {
        SlackSession session = SlackSessionFactory.createWebSocketSlackSession(System.getenv("SLACK_BOT_TOKEN"));
        session.addMessagePostedListener((posted, on) -> {
            if (posted.getMessageContent().equals("hello")) {
                on.sendMessage(posted.getChannel(), "hello from simple-slack-api");
            }
        });
        session.connect();
        Thread.currentThread().join();
    }
}
