import com.slack.api.Slack;
import com.slack.api.SlackConfig;
import com.slack.api.meta.SlackApiClientLibraryVersion;
import com.slack.api.model.event.MessageEvent;
import com.slack.api.rtm.RTMClient;
import com.slack.api.rtm.RTMEventHandler;
import com.slack.api.rtm.RTMEventsDispatcher;
import com.slack.api.rtm.RTMEventsDispatcherFactory;

/** Counts events with the Java SDK, used the way its guide shows. */
public final class SlackApi {
    private static final int EVENTS = Integer.parseInt(System.getenv("EVENTS"));

    private static int count = 0;
    private static long characters = 0;

    private static final RTMEventHandler<MessageEvent> message = new RTMEventHandler<MessageEvent>() {
        @Override
        public void handle(MessageEvent event) {
            count++;
            characters += event.getText().length();
            if (count == EVENTS) {
                System.out.println(count + " " + characters);
                count = 0;
                characters = 0;
            }
        }
    };

    public static void main(String[] args) throws Exception {
        System.out.println(SlackApiClientLibraryVersion.get());
        RTMEventsDispatcher dispatcher = RTMEventsDispatcherFactory.getInstance();
        dispatcher.register(message);

        SlackConfig config = new SlackConfig();
        config.setMethodsEndpointUrlPrefix(System.getenv("SLACK_API_URL"));
        RTMClient rtm = Slack.getInstance(config).rtmConnect(System.getenv("SLACK_BOT_TOKEN"));
        rtm.addMessageHandler(dispatcher.toMessageHandler());
        rtm.connect();
        Thread.currentThread().join();
    }
}
