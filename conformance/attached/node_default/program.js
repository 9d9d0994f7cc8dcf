// A bot on @slack/rtm-api, as its README shows it: no address is given.
'use strict'

const { RTMClient } = require('@slack/rtm-api')

const rtm = new RTMClient(process.env.SLACK_BOT_TOKEN)

rtm.on('message', async event => {
  if (event.text === 'hello') await rtm.sendMessage('hello from @slack/rtm-api', event.channel)
})

rtm.start()
