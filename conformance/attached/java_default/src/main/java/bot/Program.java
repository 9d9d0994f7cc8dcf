package bot;

import com.slack.api.Slack;
import com.slack.api.model.event.MessageEvent;
import com.slack.api.rtm.RTMClient;
import com.slack.api.rtm.RTMEventHandler;
import com.slack.api.rtm.RTMEventsDispatcher;
import com.slack.api.rtm.RTMEventsDispatcherFactory;
import com.slack.api.rtm.message.Message;
import java.util.concurrent.Semaphore;

/** A bot on the Java SDK's RTM client, as its guide shows it: no address is given. */
public final class Program {
    private static RTMClient rtm;

    public static void main(String[] args) throws Exception {
        RTMEventsDispatcher dispatcher = RTMEventsDispatcherFactory.getInstance();
        dispatcher.register(new RTMEventHandler<MessageEvent>() {
            @Override
            public void handle(MessageEvent event) {
                if ("hello".equals(event.getText())) {
                    String text = "hello from slack-api-client";
                    rtm.sendMessage(Message.builder().channel(event.getChannel()).text(text).build().toJSONString());
                }
            }
        });
        Semaphore lost = new Semaphore(0);
        rtm = Slack.getInstance().rtmConnect(System.getenv("SLACK_BOT_TOKEN"));
        rtm.addMessageHandler(dispatcher.toMessageHandler());
        rtm.addCloseHandler(reason -> lost.release());
        rtm.connect();
        while (true) {
            lost.acquire();
            reconnect();
        }
    }

    private static void reconnect() throws InterruptedException {
        while (true) {
            try {
                rtm.reconnect();
                return;
            } catch (Exception stillAway) {
                System.err.println("reconnect: " + stillAway);
                Thread.sleep(500);
            }
        }
    }
}
