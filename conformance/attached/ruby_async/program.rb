# A bot by hand, on what slack-ruby-client 2 is made of: Faraday for its calls, async-io and websocket-driver for RTM.
require "async"
require "async/io"
require "faraday"
require "json"
require "websocket/driver"

# What websocket-driver writes to.
class Wire
  attr_reader :url

  def initialize(url, socket)
    @url = url
    @socket = socket
  end

  def write(data)
    @socket.write(data)
  end
end

def grant
  answer = Faraday.post("https://slack.com/api/rtm.connect", { token: ENV.fetch("SLACK_API_TOKEN") })
  JSON.parse(answer.body).fetch("url")
end

def serve(url)
  uri = URI(url)
  context = OpenSSL::SSL::SSLContext.new
  context.set_params(verify_mode: OpenSSL::SSL::VERIFY_PEER)
  plain = Async::IO::Endpoint.tcp(uri.host, uri.port || 443)
  Async::IO::SSLEndpoint.new(plain, ssl_context: context, hostname: uri.host).connect do |socket|
    driver = WebSocket::Driver.client(Wire.new(url, socket))
    driver.on(:message) do |frame|
      event = JSON.parse(frame.data)
      if event["type"] == "message" && event["text"] == "hello"
        driver.text({ id: 1, type: "message", channel: event["channel"], text: "hello from Ruby" }.to_json)
      end
    end
    driver.start
    while (data = socket.readpartial(4096))
      driver.parse(data)
    end
  end
end

Async do
  loop do
    serve(grant)
  rescue EOFError, KeyError, SystemCallError, OpenSSL::SSL::SSLError, Faraday::Error => error
    warn("again in a second: #{error.message}")
    sleep 1
  end
end
