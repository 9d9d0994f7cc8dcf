# Leads connections of this Ruby to the hosts in ATTACHED_FRONT to the front that it names.
#
# RUBYOPT has -r with this file. Without the variable it does nothing.
# ATTACHED_FRONT is "HOST:PORT NAMES": the address of the front, and host names separated by commas, in which * stands
# for letters, digits and hyphens. Libraries connect by TCPSocket (Net::HTTP) or look for addresses with Addrinfo
# (async, Socket.tcp) and connect to what it returns, address and port; names in TLS and in headers stay as they are.

if ENV["ATTACHED_FRONT"]
  require "socket"

  module TautwireAttach
    address, names = ENV["ATTACHED_FRONT"].split(" ", 2)
    HOST, _, PORT = address.rpartition(":")
    patterns = names.to_s.split(",").map { |name| Regexp.escape(name).gsub("\\*", "[a-z0-9-]+") }
    NAMES = /\A(?:#{patterns.join("|")})\.?\z/i

    def self.lead(host, service)
      host.is_a?(String) && NAMES.match?(host) ? [HOST.delete("[]"), PORT.to_i] : [host, service]
    end

    # TCPSocket.new and TCPSocket.open both come here.
    module Sockets
      def initialize(host = nil, service = nil, *rest, **options)
        super(*TautwireAttach.lead(host, service), *rest, **options)
      end
    end

    # The others of Addrinfo, and Socket.tcp, use these two.
    module Addresses
      def getaddrinfo(host, service, *rest, **options)
        super(*TautwireAttach.lead(host, service), *rest, **options)
      end

      def tcp(host, service)
        super(*TautwireAttach.lead(host, service))
      end
    end

    TCPSocket.prepend(Sockets)
    Addrinfo.singleton_class.prepend(Addresses)
  end
end
