-- Who waits for one set of buckets at one urgency; clients' tags in buckets that lanes share: Lane.swift.
local function newLane(set)
  local loads, served, none = {}, {}, {}
  for i = 1, #set do loads[i], served[i], none[i] = 0, 0, 0 end
  return {
    set = set, waiting = 0, front = 0, virtual = 0, weights = 0, active = 0, top = 0, returns = 0, expected = 0,
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

-- Which sets of buckets have buckets of their own: BucketSets.swift.
local redirected, stateLane = {}, nil
do
local ofModel

local function modelOf(name) return name:match('^[^/]*/(.*)$') end

-- Model -> names of its buckets, read once a call.
local function addToModel(name)
  local model = modelOf(name)
  if not model then return end
  local names = ofModel[model] or {}
  ofModel[model] = names
  if not has(names, name) then names[#names + 1] = name end
end

local function bucketsOf(names)
  if not ofModel then
    ofModel = {}
    for _, name in ipairs(call('HKEYS', B_)) do addToModel(name) end
    for name in pairs(records[B_]) do addToModel(name) end
  end
  local found = {}
  for _, name in ipairs(names) do
    for _, other in ipairs(ofModel[modelOf(name) or ''] or {}) do
      if record(B_, other) then found[#found + 1] = other end
    end
  end
  return found
end

-- Any quota has a bucket of their model.
local function isKnown(names)
  for _, name in ipairs(names) do if record(B_, name) then return true end end
  return #bucketsOf(names) > 0
end

-- Any quota's shared bucket holds units, or somebody waits for it.
local function isInUse(names)
  local found, isUsed = bucketsOf(names), false
  for _, name in ipairs(found) do
    advance(name)
    isUsed = isUsed or bucket(name).used > 0
    for _, lane in pairs(lanes) do
      isUsed = isUsed or lane and lane.waiting > 0 and has(lane.set, name)
    end
  end
  return isUsed
end

function stateLane(key, figures, shared, sharedLane)
  local set = {}
  for i, f in ipairs(figures) do set[i] = f.name end
  if not lanes[key] and #shared > 0 then
    local sets, own, common, count = record(G_, 'sets') or {}, {}, {}, 0
    for i, name in ipairs(set) do
      if shared[i] ~= name then own[#own + 1], common[#common + 1] = name, shared[i] end
    end
    for _ in pairs(sets) do count = count + 1 end
    if isKnown(own) or count < SETS and not isInUse(common) then
      sets[key:sub(1, LANE - 1)] = own
      records[G_]['sets'] = sets
    else
      for i, f in ipairs(figures) do f.name, set[i] = shared[i], shared[i] end
      redirected[key] = sharedLane
      key = sharedLane
    end
  end
  for _, f in ipairs(figures) do
    stated(f)
    if ofModel then addToModel(f.name) end
  end
  if not lanes[key] then lanes[key] = newLane(set) end
end
end

-- The ticket as it waits: in the shared lane where its set has none of its own.
local function placed(text)
  local lane = redirected[text:sub(1, LANE)]
  return ticket(lane and lane .. text:sub(LANE + 1) or text), lane
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
