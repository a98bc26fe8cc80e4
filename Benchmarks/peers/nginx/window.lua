-- A sliding window for nginx, exact on Redis's clock: one EVALSHA a request over a pool of kept connections. Counts what it
-- let pass; what has no room is refused with 429, and the caller comes again.

local redis = require "nginx.redis"

local SCRIPT = [[
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local window, limit = tonumber(ARGV[1]), tonumber(ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - window)
if redis.call('ZCARD', KEYS[1]) >= limit then return 0 end
redis.call('ZADD', KEYS[1], now, ARGV[3])
redis.call('PEXPIRE', KEYS[1], window / 1000 + 1000)
return 1
]]

local SHA = ngx.sha1_bin(SCRIPT):gsub(".", function(byte) return string.format("%02x", byte:byte()) end)

redis.add_commands("evalsha")

local Window = {}
Window.__index = Window

function Window.new(settings)
    return setmetatable(settings, Window)
end

function Window:check()
    local connection = redis:new()
    connection:set_timeout(1000)
    if not connection:connect("127.0.0.1", self.port) then return ngx.exit(503) end
    local passed, problem = connection:evalsha(SHA, 1, "window", self.micros, self.limit, ngx.var.request_id)
    if not passed and problem and problem:find("NOSCRIPT", 1, true) then
        passed, problem = connection:eval(SCRIPT, 1, "window", self.micros, self.limit, ngx.var.request_id)
    end
    if not passed then return ngx.exit(503) end
    connection:set_keepalive(60000, 512)
    if passed == 1 then return end
    ngx.status = 429
    ngx.header["Content-Type"] = "application/json"
    ngx.print('{"error":{"code":429,"message":"Over the limit.","status":"RESOURCE_EXHAUSTED"}}')
    return ngx.exit(429)
end

return Window
