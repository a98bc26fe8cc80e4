-- Answers to POSTs, cached in Redis for nginx.

local redis = require "nginx.redis"

local Answers = {}
Answers.__index = Answers

function Answers.new(settings)
    return setmetatable(settings, Answers)
end

local function reply(body, state)
    ngx.header["Content-Type"] = "application/json"
    ngx.header["Content-Length"] = #body
    ngx.header["Cache-Status"] = state
    ngx.print(body)
end

function Answers:answer()
    ngx.req.read_body()
    local body = ngx.req.get_body_data() or ""
    -- SHA-1 is the strongest digest that Lua in nginx has built in.
    local key = "answer:" .. ngx.sha1_bin(ngx.var.uri .. "\n" .. body)
    local connection = redis:new()
    connection:set_timeout(1000)
    local connected = connection:connect("127.0.0.1", self.port)
    if not connected then return ngx.exit(503) end
    local found = connection:get(key)
    if found and found ~= ngx.null then
        connection:set_keepalive(60000, 512)
        return reply(found, "nginx; hit")
    end
    local fetched = ngx.location.capture("/-upstream" .. ngx.var.uri, { method = ngx.HTTP_POST, body = body })
    if fetched.status == 200 and not fetched.truncated then connection:set(key, fetched.body, "EX", self.seconds) end
    connection:set_keepalive(60000, 512)
    ngx.status = fetched.status
    return reply(fetched.body, "nginx; fwd=miss")
end

return Answers
