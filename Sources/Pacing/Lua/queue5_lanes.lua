-- Who waits for one set of buckets at one urgency; clients' tags in buckets that lanes share: Lane.swift.
local function newLane(set, model)
  local loads, served, none = {}, {}, {}
  for i, name in ipairs(set) do
    loads[i], served[i], none[i] = 0, 0, 0
    bucket(name).lanes = bucket(name).lanes + 1
  end
  return {
    set = set, model = model or false, waiting = 0, front = 0, virtual = 0, weights = 0, active = 0, top = 0, returns = 0, expected = 0,
    seen = 0, load = 0, loads = loads, served = served, older = {now, none, none}, newer = {now, none, none}, touched = now,
  }
end

-- Of each of the lane's buckets.
local function ofBuckets(lane, field)
  local values = {}
  for i, name in ipairs(lane.set) do values[i] = bucket(name)[field] end
  return values
end

local function mark(lane) return {now, {unpack(lane.served)}, ofBuckets(lane, 'total')} end

local function addCosts(sums, costs, sign)
  for i, cost in ipairs(costs) do sums[i] = sums[i] + sign * cost end
end

-- What nobody needs is remembered for so long.
local function memory() return G.crowd > BUCKETS / 2 and CROWDED_MEMORY or LANE_MEMORY end

-- Its clients first, a page at a time.
local function forgetLane(key)
  purge(lanes[key], key .. '\1', true, 50, true)
  if #first(O_, key .. '\1i') > 0 then return end
  for _, name in ipairs(lanes[key].set) do bucket(name).lanes = bucket(name).lanes - 1 end
  lanes[key] = false
end

-- When they were touched, by key: of those without waiters.
local function idleLanes()
  local found = {}
  for key, text in pairs(idle) do found[key] = unpackBits('>I7', text) end
  for key, lane in pairs(lanes) do if lane and lane.waiting == 0 then found[key] = lane.touched end end
  return found
end

-- What a call costs in fairness: the largest part of a quota that it takes.
local function share(lane, costs)
  local largest = 0
  for i, name in ipairs(lane.set) do largest = max(largest, costs[i] / bucket(name).limit[1]) end
  return largest
end

local function isWaiting(t)
  local lane = lanes[t.lane]
  if not lane or lane.waiting == 0 then return false end
  return call('ZSCORE', T_, t.text) and true or lane.front > 0 and call('ZSCORE', T_, t.front) and true or false
end

local function join(t, lane, isFront)
  local owner = record(R_, t.owner)
  if owner then owner.waiting = owner.waiting + 1 end
  if isFront then
    add(T_, t.front)
    lane.front = lane.front + 1
  else
    if lane.waiting == 0 then
      lane.newer = mark(lane)
      lane.older = lane.newer
    end
    account(lane, t, 1, share(lane, t.costs), 0, false)
    arrived(lane)
    arrived(flow(t.clientPath))
    add(T_, t.text)
  end
  for _, name in ipairs(lane.set) do bucket(name).entered = bucket(name).entered + 1 end
  lane.waiting = lane.waiting + 1
  lane.load = lane.load + share(lane, t.costs)
  addCosts(lane.loads, t.costs, 1)
  lane.touched = now
  G.waiting = G.waiting + 1
  heads[t.lane] = nil
end

-- Leaves the queue: served (charged), gone, or dropped.
local function part(t, charge)
  local lane = lanes[t.lane]
  if not lane then return end
  if lane.front > 0 and remove(T_, t.front) then
    lane.front = lane.front - 1
    if charge ~= 0 then account(lane, t, 0, 0, charge, true) end
  elseif remove(T_, t.text) then
    account(lane, t, -1, -share(lane, t.costs), charge, false)
  else
    return
  end
  local owner = record(R_, t.owner)
  if owner then owner.waiting = owner.waiting - 1 end
  for _, name in ipairs(lane.set) do bucket(name).gone = bucket(name).gone + 1 end
  lane.waiting = lane.waiting - 1
  lane.load = lane.waiting > 0 and max(0, lane.load - share(lane, t.costs)) or 0
  addCosts(lane.loads, t.costs, -1)
  lane.touched = now
  G.waiting = G.waiting - 1
  heads[t.lane] = nil
end

-- Takes out the waiters that 'goes' names by their owner, page by page in the order of T: how many, and where to go on.
local function scan(from, budget, goes)
  local members = call('ZRANGEBYLEX', T_, from and '(' .. from or '-', '+', 'LIMIT', 0, SCAN_LENGTH)
  local count, last = 0, from
  for _, member in ipairs(members) do
    if count == budget then return count, last end
    last = member
    if goes(ownerOf(member)) then
      part(ticketOf(member), 0)
      count = count + 1
    end
  end
  return count, #members == SCAN_LENGTH and last
end

-- Shared buckets. G.shared: bucket\0urgency -> virtual time.
local function sharedKey(name, urgency) return name .. NUL .. format('%d', urgency) end

local function tagIn(key, client)
  local bits = call('HGET', X_, key .. client)
  return bits and unpackBits('>d', bits) or nil
end

local function lead(key, client)
  if not G.shared[key] then return 0 end
  local tag = tagIn(key, client)
  return tag and max(0, tag - G.shared[key]) or 0
end

local function purgeShared(key, length, ahead)
  for _, member in ipairs(first(XO_, key, length)) do
    if not ahead and unpackBits('>d', member, #key + 1) > G.shared[key] then return end
    remove(XO_, member)
    call('HDEL', X_, key .. member:sub(#key + 9))
  end
end

local function chargeIn(key, t, charge)
  local old = tagIn(key, t.client)
  if old then remove(XO_, key .. tagBits(old) .. t.client) end
  local start = max(G.shared[key], old or 0)
  if charge > 0 then G.shared[key] = start end
  local tag = max(0, start + charge / t.weight)
  call('HSET', X_, key .. t.client, tagBits(tag))
  written[X_] = true
  add(XO_, key .. tagBits(tag) .. t.client)
  purgeShared(key, 2, false)
end

-- First come of the first user of the first client. Where lanes share the bucket that blocks: of the first four clients
-- the one least ahead in it.
local function head(key, lane)
  if heads[key] then return heads[key] end
  local t
  if lane.front > 0 then
    t = ticketOf(first(T_, key .. '\1')[1])
  else
    local tags = lane.blocker and sharedKey(lane.blocker, urgencyOf(key))
    if tags and not G.shared[tags] then tags = nil end
    local client, least = nil, huge
    for _, member in ipairs(first(O_, key .. '\1b', tags and 4 or 1)) do
      local name = member:sub(LANE + 11)
      local ahead = tags and lead(tags, name) or 0
      if ahead < least then client, least = name, ahead end
    end
    local path = key .. '\2' .. client
    local found = flow(path)
    local below = ofUsers(found)
    local user = found.sole or first(O_, below .. 'b')[1]:sub(#below + 10)
    t = ticket(first(T_, path .. NUL .. user .. NUL)[1])
  end
  heads[key] = t
  return t
end
