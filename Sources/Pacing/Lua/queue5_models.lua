-- Which sets of buckets have buckets of their own: BucketSets.swift. Who shares: G's 'models', G.sharing 1; 2: everyone; 3:
-- more than there is room for.
local models = {}
do
local statedSets = {}

local function modelOf(name) return name:match('^[^/]*/(.*)$') end

-- Of each quota that has one for that model.
local function bucketsOf(model)
  local found = {}
  for quota in pairs(G.quotas) do
    local name = quota .. '/' .. model
    if record(B_, name) then found[#found + 1] = name end
  end
  return found
end

local function isKnown(model) return #bucketsOf(model) > 0 end

local function isWaitedFor(name)
  for _, lane in pairs(lanes) do if lane and lane.waiting > 0 and has(lane.set, name) then return true end end
  return false
end

-- Any quota's shared bucket holds units or what a 429 taught, or somebody waits for it.
local function isSharedInUse()
  local isUsed = false
  for _, name in ipairs(bucketsOf('*')) do
    advance(name)
    local b = bucket(name)
    isUsed = isUsed or b.used > 0 or b.hold > now or b.learned > 0 or isWaitedFor(name)
  end
  return isUsed
end

local function isBound(model)
  if G.sharing == 0 then return false end
  if not isSharedInUse() then
    G.sharing = 0
    if record(G_, 'models') then records[G_]['models'] = false end
    return false
  end
  return G.sharing > 1 or record(G_, 'models')[model] ~= nil
end

local function makeLane(key, figures, model)
  local set = {}
  for i, f in ipairs(figures) do
    stated(f)
    set[i] = f.name
  end
  if lanes[key] then
    lanes[key].touched = now
    return
  end
  local count, oldest, since = 0, nil, huge
  for other, touched in pairs(idleLanes()) do
    count = count + 1
    if touched < since or touched == since and other < oldest then oldest, since = other, touched end
  end
  -- Not one that this call needs.
  if count >= IDLE_LANES and since < now then forgetLane(oldest) end
  lanes[key] = newLane(set, model)
end

function models.state(key, figures, shared, sharedLane)
  if #shared > 0 and sharedLane ~= key then
    for i, f in ipairs(figures) do
      local model = f.name ~= shared[i] and modelOf(f.name)
      if model then
        statedSets[key] = {key = key, figures = figures, shared = shared, sharedLane = sharedLane, model = model}
        return
      end
      if f.name ~= shared[i] then break end
    end
  end
  makeLane(key, figures)
end

local function stateOwn(set)
  if set.isStated and lanes[set.key] then return end
  set.isStated = true
  makeLane(set.key, set.figures, set.model)
end

-- What it holds from now on no shared bucket counts.
local function useOwn(set)
  stateOwn(set)
  for _, name in ipairs(lanes[set.key].set) do bucket(name).moved = false end
end

-- What 429s taught it holds where its calls count by now.
function models.teachWhereMoved(b)
  local target = b.moved and record(B_, b.moved)
  if not target then return end
  advance(b.moved)
  if b.learned > 0 then
    learn(target, b.learned)
    target.raise = max(target.raise, b.raise)
  end
  target.hold = max(target.hold, b.hold)
end

-- What the one holds counts in the other too, and what it is yet to hold.
local function move(own, common)
  local b, target = record(B_, own), record(B_, common)
  if not b or not target or b.moved then return end
  advance(own)
  advance(common)
  for _, use in ipairs(usesOf(b)) do if use[2] > 0 then book(target, use[2], use[1]) end end
  b.moved = common
  models.teachWhereMoved(b)
end

local function sharedFigures(set)
  local figures = {}
  for i, f in ipairs(set.figures) do
    figures[i] = {name = set.shared[i], limit = f.limit, per = f.per, guard = f.guard, burst = f.burst, reset = f.reset}
  end
  return figures
end

local function share(t, set)
  local bound, count = record(G_, 'models') or {}, 0
  for _ in pairs(bound) do count = count + 1 end
  if count < BUCKETS then
    bound[set.model] = true
    records[G_]['models'] = bound
    G.sharing = max(1, G.sharing)
  elseif not bound[set.model] then
    G.sharing = 3
  end
  makeLane(set.sharedLane, sharedFigures(set))
  for i, f in ipairs(set.figures) do if f.name ~= set.shared[i] then move(f.name, set.shared[i]) end end
  return ticket(set.sharedLane .. t.text:sub(LANE + 1))
end

-- All of its buckets have room now, and nobody waits for any of them.
local function goesNow(t)
  if G.rolling or G.paused or t.owner ~= me then return false end
  for i, name in ipairs(lanes[t.lane].set) do
    advance(name)
    if isWaitedFor(name) or ready(bucket(name), t.costs[i]) > now then return false end
  end
  return true
end

local function modelWaits(model)
  for _, lane in pairs(lanes) do if lane and lane.waiting > 0 and lane.model == model then return true end end
  return false
end

local function waitingSets()
  local found, count = {}, 0
  for key, lane in pairs(lanes) do
    local set = key:sub(1, LANE - 1)
    if lane and lane.waiting > 0 and lane.model and not found[set] then
      found[set] = true
      count = count + 1
    end
  end
  return count
end

-- The ticket as it is to wait, whether with others, and whether it has to be granted without waiting.
function models.place(t)
  local set = statedSets[t.lane]
  if not set then return t, false, false end
  local waits = modelWaits(set.model)
  if not waits then
    if isBound(set.model) then return share(t, set), true, false end
    if not lanes[set.key] and not isKnown(set.model) and call('HLEN', B_) + made + #set.figures > BUCKETS then
      return share(t, set), true, false
    end
  end
  useOwn(set)
  if waits or waitingSets() < SETS then return t, false, false end
  if goesNow(t) then return t, false, true end
  return share(t, set), true, false
end

-- The same for one that is put back: where its model waits by now, or has to wait, else where it was granted. Nil: whose it
-- is the call does not state; its owner misses it and enters it again.
function models.placeAgain(t, own)
  local set, lane = statedSets[own], lanes[t.lane]
  if set then
    if not modelWaits(set.model) and (t.lane ~= own or isBound(set.model)) then return share(t, set) end
    useOwn(set)
    return ticket(own .. t.text:sub(LANE + 1))
  end
  if not lane or lane.model then return nil end
  for _, name in ipairs(lane.set) do if modelOf(name) == '*' then return nil end end
  return t
end

-- Of a ticket that was granted: a long answer outlives what is remembered of an idle lane.
function models.laneOf(key)
  local set = statedSets[key]
  if set then
    if lanes[key] or isKnown(set.model) then stateOwn(set) end
  elseif not lanes[key] then
    for _, other in pairs(statedSets) do
      if other.sharedLane == key and (not set or other.key < set.key) then set = other end
    end
    if set then makeLane(key, sharedFigures(set)) end
  end
  return lanes[key]
end

function models.bookWhereMoved(b, units, time)
  local target = units > 0 and b.moved and record(B_, b.moved)
  if target then book(target, units, time) end
end

-- Buckets of models' own that somebody waits for.
local function waitingOf(quota)
  local found = {}
  for _, lane in pairs(lanes) do
    if lane and lane.waiting > 0 and lane.model then
      for _, name in ipairs(lane.set) do if name:match('^([^/]*)/') == quota then found[name] = true end end
    end
  end
  return found
end

-- What a replica used by itself. In a shared bucket: whose calls these were is not known. In a model's own: it may share
-- meanwhile, and wait there already.
function models.bookUse(b, units, time)
  book(b, units, time)
  local quota, model = b.name:match('^([^/]*)/(.*)$')
  if not model then return end
  if model ~= '*' then
    if b.moved then
      models.bookWhereMoved(b, units, time)
    elseif units > 0 and isBound(model) and not modelWaits(model) then
      move(b.name, quota .. '/*')
    end
    return
  end
  G.sharing = max(2, G.sharing)
  -- What is taken back need not be what was booked there.
  if units <= 0 then return end
  for name in pairs(waitingOf(quota)) do book(bucket(name), units, time) end
end

-- After a restart whoever waits for a bucket of its own may have used the shared one. What those had used that came to share
-- during the roll call was not known before.
function models.shareAfterRestart()
  local bound = record(G_, 'models') or {}
  for quota in pairs(G.quotas) do
    local shared = quota .. '/*'
    local b = record(B_, shared)
    if b then
      for name in pairs(waitingOf(quota)) do
        for _, use in ipairs(usesOf(b)) do if use[2] > 0 then book(bucket(name), use[2], use[1]) end end
      end
      for name, own in pairs(records[B_]) do
        local isOwn = own and name ~= shared and name:match('^([^/]*)/') == quota
        local model = modelOf(name)
        if isOwn and (G.sharing == 3 or bound[model]) and not modelWaits(model) then move(name, shared) end
      end
    end
  end
  G.sharing = max(2, G.sharing)
end
end
