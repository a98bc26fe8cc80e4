-- How long a call would wait: QueueEstimate.swift. Returns µs and how many go before.
local function micros(value) return value < NEVER and floor(value) or NEVER end

-- Whether so many calls like this one may leave now: those of the same batch have not been granted yet.
local function fitTogether(t, lane, count)
  for i, name in ipairs(lane.set) do
    local b, units = bucket(name), t.costs[i] * count
    if units > effectiveBurst(b) or ready(b, units, true) > now then return false end
  end
  return true
end

local function estimate(t, lane)
  local portion, soonest, slowness = share(lane, t.costs), 0, huge
  for i, name in ipairs(lane.set) do
    advance(name)
    local b = bucket(name)
    soonest = max(soonest, ready(b, t.costs[i], true))
    if t.costs[i] / b.limit[1] == portion then
      slowness = min(slowness, b.per[1] * b.limit[1] / effective(b))
    end
  end
  local soon, above = max(0, soonest - now), 0
  for key, other in pairs(lanes) do
    if other and other.waiting > 0 and tonumber(key:sub(17)) < t.urgency then
      for _, name in ipairs(other.set) do
        if has(lane.set, name) then
          above = above + other.waiting
          break
        end
      end
    end
  end
  if lane.waiting == 0 then return micros(max(soon, above * portion * slowness)), above end
  if fitTogether(t, lane, lane.waiting + above + 1) then return micros(soon), lane.waiting + above end
  local client, user = flow(t.clientPath), flow(t.userPath)
  local userWaiting = client and user and user.waiting or 0
  local start, ahead, weights = max(lane.virtual, client and client.finish or 0), 0, lane.weights
  if client and client.waiting > 0 then
    local users = client.active + (userWaiting > 0 and 0 or 1)
    ahead = min(client.waiting, userWaiting * users + users - 1)
    start = client.start
  else
    weights = weights + t.weight
  end
  local virtual = max(0, start - lane.smooth + ahead * portion / t.weight)
  local speed = 1 / slowness / weights
  if lane.smooth > lane.older[2] and now > lane.older[1] + slowness / 4 then
    speed = (lane.smooth - lane.older[2]) / (now - lane.older[1])
  end
  local wait = max(soon, virtual / speed + portion / t.weight / speed * 0.5)
  return micros(wait), floor(min(lane.waiting + above, virtual * weights / portion) + 0.5)
end
