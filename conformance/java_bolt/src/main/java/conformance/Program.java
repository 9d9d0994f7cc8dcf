package conformance;

import com.slack.api.Slack;
import com.slack.api.SlackConfig;
import com.slack.api.bolt.App;
import com.slack.api.bolt.AppConfig;
import com.slack.api.bolt.socket_mode.SocketModeApp;
import com.slack.api.meta.SlackApiClientLibraryVersion;
import com.slack.api.model.event.AppMentionEvent;
import com.slack.api.model.event.MessageEvent;
import com.slack.api.socket_mode.SocketModeClient;
import java.util.regex.Pattern;

/** An app on Bolt for Java in Socket Mode, written the way its guide shows; what it is asked to do: ../README.md. */
public final class Program {
    private static final Pattern ASK = Pattern.compile("^ask .*$");

    public static void main(String[] arguments) throws Exception {
        SlackConfig slack = new SlackConfig();
        slack.setMethodsEndpointUrlPrefix(System.getenv("SLACK_API_URL"));
        AppConfig config = AppConfig.builder()
                .slack(Slack.getInstance(slack))
                .singleTeamBotToken(System.getenv("SLACK_BOT_TOKEN"))
                .build();
        App app = new App(config);

        app.event(AppMentionEvent.class, (payload, context) -> {
            context.say("you called: " + payload.getEvent().getText().split("> ")[1]);
            return context.ack();
        });
        app.message(ASK, (payload, context) -> {
            MessageEvent event = payload.getEvent();
            System.out.printf(
                    "{\"step\": \"message\", \"text\": \"%s\", \"channel_type\": \"%s\"}%n",
                    event.getText(), event.getChannelType());
            context.say("answer to " + event.getText().substring("ask ".length()));
            return context.ack();
        });

        System.out.printf("{\"step\": \"start\", \"version\": \"%s\"}%n", SlackApiClientLibraryVersion.get());
        SocketModeApp socket = new SocketModeApp(
                System.getenv("SLACK_APP_TOKEN"), SocketModeClient.Backend.Tyrus, app);
        socket.startAsync();
        System.out.println("{\"step\": \"connect\", \"ok\": true}");
        Thread.currentThread().join();
    }
}
