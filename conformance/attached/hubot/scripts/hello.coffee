# Description:
#   Answers hello.

module.exports = (robot) ->
  robot.hear /^hello$/i, (res) ->
    res.send "hello from hubot"
