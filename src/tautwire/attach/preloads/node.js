// Leads connections of this Node to the hosts in ATTACHED_FRONT to the front that it names.
//
// NODE_OPTIONS has --require with this file. Without the variable it does nothing.
// ATTACHED_FRONT is "HOST:PORT NAMES": the address of the front, and host names separated by commas, in which * stands
// for letters, digits and hyphens. Every TCP and TLS client of Node connects by net.Socket.connect; names in TLS and in
// headers stay as they are.
'use strict'

function attach(value) {
  const net = require('net')
  const [address, names] = value.split(' ')
  const colon = address.lastIndexOf(':')
  const front = { host: address.slice(0, colon), port: Number(address.slice(colon + 1)) }
  const escaped = names.split(',').map(name => name.replace(/[.]/g, '\\.').replace(/[*]/g, '[a-z0-9-]+'))
  const intercepted = new RegExp('^(?:' + escaped.join('|') + ')[.]?$', 'i')
  const connect = net.Socket.prototype.connect

  function led(options) {
    if (typeof options.host !== 'string' || options.path || !intercepted.test(options.host)) return options
    // A copy: TLS compares the certificate with the host in the original.
    const changed = Object.assign({}, options, front)
    delete changed.lookup
    delete changed.family
    return changed
  }

  net.Socket.prototype.connect = function (...given) {
    if (Array.isArray(given[0])) {
      given[0][0] = led(given[0][0]) // as net.connect and tls.connect pass their arguments on
    } else if (given[0] !== null && typeof given[0] === 'object') {
      given[0] = led(given[0])
    } else if (typeof given[1] === 'string' && intercepted.test(given[1])) {
      given.splice(0, 2, front.port, front.host)
    }
    return connect.apply(this, given)
  }
}

if (process.env.ATTACHED_FRONT) attach(process.env.ATTACHED_FRONT)
