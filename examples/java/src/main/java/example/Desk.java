package example;

import com.slack.api.Slack;
import com.slack.api.SlackConfig;
import com.slack.api.bolt.App;
import com.slack.api.bolt.AppConfig;
import com.slack.api.bolt.socket_mode.SocketModeApp;
import com.slack.api.model.block.Blocks;
import com.slack.api.model.block.LayoutBlock;
import com.slack.api.model.block.composition.BlockCompositions;
import com.slack.api.model.block.element.BlockElements;
import com.slack.api.socket_mode.SocketModeClient;
import java.util.List;
import java.util.regex.Pattern;

/** A small app on Bolt for Java in Socket Mode. It knows nothing of tautwire; DeskTest tests it. */
final class Desk {
    private static final Pattern ASK = Pattern.compile("^ask .*$");

    private Desk() {}

    /** Start the app; it answers "ask …", /ticket and the button of a ticket. */
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
        app.command("/ticket", (request, context) -> {
            String title = request.getPayload().getText();
            return context.ack(answer -> answer
                    .responseType("in_channel").text("Ticket: " + title).blocks(closeButton(title)));
        });
        app.blockAction("close", (request, context) -> {
            String title = request.getPayload().getActions().get(0).getValue();
            context.respond(answer -> answer.replaceOriginal(true).text("Closed: " + title));
            return context.ack();
        });
        SocketModeApp socket = new SocketModeApp(appToken, SocketModeClient.Backend.Tyrus, app);
        socket.startAsync();
        return socket;
    }

    private static List<LayoutBlock> closeButton(String value) {
        return Blocks.asBlocks(Blocks.actions(List.of(BlockElements.button(button -> button
                .actionId("close").value(value).text(BlockCompositions.plainText("Close"))))));
    }
}
