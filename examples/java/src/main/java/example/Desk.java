package example;

import com.slack.api.Slack;
import com.slack.api.SlackConfig;
import com.slack.api.bolt.App;
import com.slack.api.bolt.AppConfig;
import com.slack.api.bolt.socket_mode.SocketModeApp;
import com.slack.api.socket_mode.SocketModeClient;
import java.util.regex.Pattern;

/** A small app on Bolt for Java in Socket Mode. It knows nothing of tautwire; DeskTest tests it. */
final class Desk {
    private static final Pattern ASK = Pattern.compile("^ask .*$");

    private Desk() {}

    /** Start the app; it answers "ask …" and /ticket. */
    static SocketModeApp start(String apiUrl, String botToken, String appToken) throws Exception {
        SlackConfig slack = new SlackConfig();
        slack.setMethodsEndpointUrlPrefix(apiUrl);
        App app = new App(AppConfig.builder()
                .slack(Slack.getInstance(slack))
                .singleTeamBotToken(botToken)
                .build());
        app.message(ASK, (payload, context) -> {
            context.say("You asked: " + payload.getEvent().getText().substring("ask ".length()));
            return context.ack();
        });
        app.command("/ticket", (request, context) -> context.ack("Ticket: " + request.getPayload().getText()));
        SocketModeApp socket = new SocketModeApp(appToken, SocketModeClient.Backend.Tyrus, app);
        socket.startAsync();
        return socket;
    }
}
