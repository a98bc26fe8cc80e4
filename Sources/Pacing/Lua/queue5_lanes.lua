-- Who waits for one set of buckets at one urgency; clients' tags in buckets that lanes share: Lane.swift.
local function newLane(set)
  return {
    set = set, waiting = 0, front = 0, virtual = 0, weights = 0, active = 0, top = 0, smooth = 0,
    older = {now, 0}, newer = {now, 0}, touched = now,
  }
end

-- What a call costs in fairness: the largest part of a quota that it takes.
local function share(lane, costs)
  local largest = 0
  for i, name in ipairs(lane.set) do largest = max(largest, costs[i] / bucket(name).limit[1]) end
  return largest
end

local function isWaiting(t) return call('ZSCORE', W_, t.waiter) and true or false end

local function join(t, lane, isFront)
  add(W_, t.waiter)
  local owner = record(R_, t.owner)
  if owner then owner.waiting = owner.waiting + 1 end
  if isFront then
    add(T_, t.front)
    lane.front = lane.front + 1
  else
    if lane.waiting == 0 then
      lane.smooth = lane.virtual
      lane.older, lane.newer = {now, lane.virtual}, {now, lane.virtual}
    end
    account(lane, t, 1, 0, false)
    add(T_, t.text)
  end
  lane.waiting = lane.waiting + 1
  lane.touched = now
  G.waiting = G.waiting + 1
  heads[t.lane] = nil
end

-- Leaves the queue: served (charged), gone, or dropped.
local function part(t, charge)
  if not remove(W_, t.waiter) then return end
  local lane = lanes[t.lane]
  local owner = record(R_, t.owner)
  if owner then owner.waiting = owner.waiting - 1 end
  if not lane then return end
  if lane.front > 0 and remove(T_, t.front) then
    lane.front = lane.front - 1
    if charge ~= 0 then account(lane, t, 0, charge, true) end
  else
    remove(T_, t.text)
    account(lane, t, -1, charge, false)
  end
  lane.waiting = lane.waiting - 1
  lane.touched = now
  G.waiting = G.waiting - 1
  heads[t.lane] = nil
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
    local member = first(T_, key .. '\1')[1]
    local ownerEnd = member:find(NUL, 27, true)
    t = ticket(member:sub(ownerEnd + 17 + 8 * #lane.set))
  else
    local tags = lane.blocker and sharedKey(lane.blocker, tonumber(key:sub(17)))
    if tags and not G.shared[tags] then tags = nil end
    local client, least = nil, huge
    for _, member in ipairs(first(O_, key .. '\1b', tags and 4 or 1)) do
      local name = member:sub(28)
      local ahead = tags and lead(tags, name) or 0
      if ahead < least then client, least = name, ahead end
    end
    local path = key .. '\2' .. client .. NUL
    local user = first(O_, path .. 'b')[1]:sub(#path + 10)
    t = ticket(first(T_, path .. user .. NUL)[1])
  end
  heads[key] = t
  return t
end
