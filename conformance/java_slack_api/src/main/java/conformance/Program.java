package conformance;

import com.google.gson.Gson;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.slack.api.Slack;
import com.slack.api.SlackConfig;
import com.slack.api.meta.SlackApiClientLibraryVersion;
import com.slack.api.model.event.HelloEvent;
import com.slack.api.model.event.MessageEvent;
import com.slack.api.model.event.PresenceChangeEvent;
import com.slack.api.model.event.UserTypingEvent;
import com.slack.api.rtm.RTMClient;
import com.slack.api.rtm.RTMCloseHandler;
import com.slack.api.rtm.RTMErrorHandler;
import com.slack.api.rtm.RTMEventHandler;
import com.slack.api.rtm.RTMEventsDispatcher;
import com.slack.api.rtm.RTMEventsDispatcherFactory;
import com.slack.api.rtm.RTMMessageHandler;
import com.slack.api.rtm.message.Message;
import com.slack.api.rtm.message.PresenceQuery;
import com.slack.api.rtm.message.PresenceSub;
import com.slack.api.rtm.message.Typing;
import java.io.IOException;
import java.io.InputStream;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;

/**
 * The program of the Java SDK's RTM guide, made to answer: what it is asked to do is in ../README.md.
 *
 * <p>Handlers only queue what is asked for and the main thread carries it out, since reconnect() must not run on
 * the transport's own thread.
 */
public final class Program {
    private static final long SAID = 1234567L;

    private static final BlockingQueue<MessageEvent> asked = new LinkedBlockingQueue<>();
    private static final MessageEvent CONNECTION_LOST = new MessageEvent();

    private static final RTMEventsDispatcher dispatcher = RTMEventsDispatcherFactory.getInstance();

    private static final RTMEventHandler<UserTypingEvent> userTyping = new RTMEventHandler<UserTypingEvent>() {
        @Override
        public void handle(UserTypingEvent event) {
            report("user_typing", Map.of("user", event.getUser(), "channel", event.getChannel()));
        }
    };

    private static final RTMEventHandler<HelloEvent> hello = new RTMEventHandler<HelloEvent>() {
        @Override
        public void handle(HelloEvent event) {
            report("hello", Map.of());
        }
    };

    private static final RTMEventHandler<PresenceChangeEvent> presence = new RTMEventHandler<PresenceChangeEvent>() {
        @Override
        public void handle(PresenceChangeEvent event) {
            List<String> users = event.getUsers() == null ? List.of(event.getUser()) : event.getUsers();
            report("presence_change", Map.of("users", users, "presence", event.getPresence()));
        }
    };

    private static final RTMEventHandler<MessageEvent> message = new RTMEventHandler<MessageEvent>() {
        @Override
        public void handle(MessageEvent event) {
            report("message", Map.of(
                    "user", event.getUser(), "channel", event.getChannel(), "text", event.getText(), "ts", event.getTs()));
            asked.add(event);
        }
    };

    /** Acknowledgements have no type, so the dispatcher never shows them: they need a raw message handler. */
    private static final RTMMessageHandler acknowledgement = text -> {
        JsonObject frame = JsonParser.parseString(text).getAsJsonObject();
        if (!frame.has("type") && frame.has("reply_to")) {
            boolean ours = frame.get("ok").getAsBoolean() && frame.get("reply_to").getAsLong() == SAID;
            report("ack", Map.of("ok", ours, "ts", frame.get("ts").getAsString(), "text", frame.get("text").getAsString()));
        }
    };

    private static final RTMErrorHandler onError = reason -> System.err.println("error handler: " + reason);
    private static final RTMCloseHandler onClose = reason -> asked.add(CONNECTION_LOST);

    public static void main(String[] args) throws Exception {
        report("start", Map.of("version", SlackApiClientLibraryVersion.get() + ", tyrus " + tyrusVersion()));
        dispatcher.register(userTyping);
        dispatcher.register(hello);
        dispatcher.register(presence);
        dispatcher.register(message);

        SlackConfig config = new SlackConfig();
        config.setMethodsEndpointUrlPrefix(System.getenv("SLACK_API_URL"));
        Slack slack = Slack.getInstance(config);
        RTMClient rtm = slack.rtmConnect(System.getenv("SLACK_BOT_TOKEN"));
        rtm.addMessageHandler(dispatcher.toMessageHandler());
        rtm.addMessageHandler(acknowledgement);
        rtm.addErrorHandler(onError);
        rtm.addCloseHandler(onClose);
        rtm.connect();
        report("connect", Map.of("ok", rtm.getConnectedBotUser().getTeamId() != null));

        MessageEvent event = asked.take();
        while (event == CONNECTION_LOST || carryOut(rtm, event)) {
            if (event == CONNECTION_LOST) {
                reconnect(rtm);
            }
            event = asked.take();
        }
        slack.close();
    }

    /** Does what a message asks for; false once that was to leave. */
    private static boolean carryOut(RTMClient rtm, MessageEvent event) throws Exception {
        String[] words = event.getText().split(" ", 2);
        switch (words[0]) {
            case "say":
                rtm.sendMessage(Message.builder().id(SAID).channel(event.getChannel()).text(words[1]).build().toJSONString());
                return true;
            case "type":
                rtm.sendMessage(Typing.builder().id(SAID + 1).channel(event.getChannel()).build().toJSONString());
                return true;
            case "watch":
                List<String> ids = List.of(event.getUser());
                rtm.sendMessage(PresenceQuery.builder().ids(ids).build().toJSONString());
                rtm.sendMessage(PresenceSub.builder().ids(ids).build().toJSONString());
                return true;
            case "renew":
                rtm.removeCloseHandler(onClose);
                rtm.disconnect();
                rtm.reconnect();
                rtm.addCloseHandler(onClose);
                return true;
            case "forget":
                dispatcher.deregister(userTyping);
                rtm.removeMessageHandler(acknowledgement);
                rtm.removeErrorHandler(onError);
                report("forgot", Map.of());
                return true;
            case "leave":
                rtm.removeCloseHandler(onClose);
                rtm.disconnect();
                report("disconnect", Map.of());
                return false;
            default:
                return true;
        }
    }

    private static void reconnect(RTMClient rtm) throws InterruptedException {
        report("note", Map.of("text", "it does not reconnect by itself: the program calls `reconnect()` when its close handler is called"));
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

    private static String tyrusVersion() throws IOException {
        String path = "/META-INF/maven/org.glassfish.tyrus/tyrus-client/pom.properties";
        try (InputStream stream = Program.class.getResourceAsStream(path)) {
            Properties properties = new Properties();
            properties.load(stream);
            return properties.getProperty("version");
        }
    }

    private static synchronized void report(String step, Map<String, ?> facts) {
        Map<String, Object> line = new LinkedHashMap<>();
        line.put("step", step);
        line.putAll(facts);
        System.out.println(new Gson().toJson(line));
    }
}
