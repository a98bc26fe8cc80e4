-- GCRA for nginx: one EVALSHA a request, decided on Redis's clock, over a pool of kept connections. It does for one limit
-- what the gateway's own script does: refuses with 429 and Retry-After, tells the limit's state, and gives no slot away twice.

local redis = require "nginx.redis"

local SCRIPT = [[
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local interval, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local arrival = tonumber(redis.call('GET', KEYS[1])) or now
if arrival < now then arrival = now end
local room = now + interval * burst - arrival
if room < interval then
    return {0, 0, interval - room}
end
arrival = arrival + interval
redis.call('SET', KEYS[1], string.format('%.0f', arrival), 'PX', math.ceil((arrival - now) / 1000) + 1)
return {1, math.floor((room - interval) / interval), interval}
]]

local SHA = ngx.sha1_bin(SCRIPT):gsub(".", function(byte) return string.format("%02x", byte:byte()) end)

redis.add_commands("evalsha")

local Limiter = {}
Limiter.__index = Limiter

function Limiter.new(settings)
    return setmetatable(settings, Limiter)
end

local function charge(self, connection, key)
    local verdict, problem = connection:evalsha(SHA, 1, key, self.interval_micros, self.burst)
    if not verdict and problem and problem:find("NOSCRIPT", 1, true) then
        verdict, problem = connection:eval(SCRIPT, 1, key, self.interval_micros, self.burst)
    end
    return verdict, problem
end

function Limiter:check()
    local connection = redis:new()
    connection:set_timeout(1000)
    local connected = connection:connect("127.0.0.1", self.port)
    if not connected then return ngx.exit(503) end
    local verdict = charge(self, connection, "limit:" .. ngx.var.binary_remote_addr)
    if not verdict then return ngx.exit(503) end
    connection:set_keepalive(60000, 512)

    local seconds = math.ceil(verdict[3] / 1000000)
    ngx.header["RateLimit-Policy"] = '"per-ip";q=' .. self.burst .. ";w=" .. self.window
    ngx.header["RateLimit"] = '"per-ip";r=' .. verdict[2] .. ";t=" .. seconds
    if verdict[1] == 1 then return end

    ngx.status = 429
    ngx.header["Retry-After"] = seconds
    ngx.header["Content-Type"] = "application/json"
    ngx.print('{"error":{"code":429,"message":"Over the limit per-ip. Retry in ', seconds,
        ' s.","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"',
        seconds, 's"},{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"quotaId":"per-ip"}]}]}}')
    return ngx.exit(429)
end

return Limiter
