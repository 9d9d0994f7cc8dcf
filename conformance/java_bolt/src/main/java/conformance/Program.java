package conformance;

import com.slack.api.Slack;
import com.slack.api.SlackConfig;
import com.slack.api.bolt.App;
import com.slack.api.bolt.AppConfig;
import com.slack.api.bolt.socket_mode.SocketModeApp;
import com.slack.api.meta.SlackApiClientLibraryVersion;
import com.slack.api.model.event.AppMentionEvent;
import com.slack.api.model.event.MessageEvent;
import com.slack.api.model.view.View;
import com.slack.api.socket_mode.SocketModeClient;
import java.util.Map;
import java.util.regex.Pattern;

/** An app on Bolt for Java in Socket Mode, written the way its guide shows; what it is asked to do: ../README.md. */
public final class Program {
    private static final Pattern ASK = Pattern.compile("^ask .*$");
    private static final String BUTTON = json(
            "[{'type': 'section', 'text': {'type': 'mrkdwn', 'text': 'A ticket'}},",
            "{'type': 'actions', 'elements': [{'type': 'button', 'action_id': 'take', 'value': '7',",
            "'text': {'type': 'plain_text', 'text': 'Take'}}]}]");
    private static final String MODAL = json(
            "{'type': 'modal', 'callback_id': 'ticket', 'private_metadata': 'CHANNEL',",
            "'title': {'type': 'plain_text', 'text': 'Ticket'}, 'submit': {'type': 'plain_text', 'text': 'File'},",
            "'blocks': [{'type': 'input', 'block_id': 'title', 'label': {'type': 'plain_text', 'text': 'Title'},",
            "'element': {'type': 'plain_text_input', 'action_id': 'text'}}]}");

    private static String json(String... lines) {
        return String.join(" ", lines).replace('\'', '"');
    }

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

        app.command("/ticket", (request, context) -> {
            String text = request.getPayload().getText();
            if (text.equals("button")) {
                context.client().chatPostMessage(message -> message
                        .channel(request.getPayload().getChannelId()).text("A ticket").blocksAsString(BUTTON));
            }
            return context.ack("got " + text);
        });
        app.blockAction("take", (request, context) -> {
            String channel = request.getPayload().getChannel().getId();
            context.client().viewsOpen(open -> open
                    .triggerId(context.getTriggerId()).viewAsString(MODAL.replace("CHANNEL", channel)));
            String value = request.getPayload().getActions().get(0).getValue();
            context.respond(answer -> answer.text("taken " + value).replaceOriginal(true));
            return context.ack();
        });
        app.viewSubmission("ticket", (request, context) -> {
            View view = request.getPayload().getView();
            String title = view.getState().getValues().get("title").get("text").getValue();
            if (title.equals("no")) {
                return context.ackWithErrors(Map.of("title", "too short"));
            }
            context.client().chatPostMessage(message -> message
                    .channel(view.getPrivateMetadata()).text("filed " + title));
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
