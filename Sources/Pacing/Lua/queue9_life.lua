-- Another store, another clock, dead replicas (QueueLife.swift); then the call itself.
startRollCall = function(forced)
  local former = G.rolling and record(G_, 'roll')
  local live = record(G_, 'live')
  local before, expected = former and former.before or {}, {}
  if not former and live then
    for _, id in ipairs(live.known) do before[#before + 1] = id end
    for _, id in ipairs(now < (live.till or 0) and live.former or {}) do before[#before + 1] = id end
  end
  if forced then for _, id in ipairs(before) do expected[id] = true end end
  local living = former and former.living or live and live.list or {}
  records[G_]['roll'] = {
    began = now, closing = 0, ends = now + ROLL_CALL, forced = forced or former and former.forced, answered = {},
    confirmed = {}, informed = 0, seen = 0, need = 0, before = before, living = living, expected = expected, full = 0, known = {},
    back = (former and former.back or 0) + back, bookings = former and former.bookings or 0,
  }
  local span = back
  back = 0
  G.rolling = true
  if forced then G.epoch = max(G.epoch + 1, now) end
  for _, b in pairs(all(B_)) do
    if b then
      restate(b, now - silence - STATED)
      b.hold, b.raise, b.refused = max(0, b.hold - span), b.raise - span, b.refused - span
    end
  end
  publish('', 'r')
end

answerRollCall = function(reports, peers, full)
  if not G.rolling then return end
  local roll = record(G_, 'roll')
  if roll.answered[me] then return end
  roll.answered[me] = true
  if #peers > 0 then roll.informed = roll.informed + 1 end
  for _, id in ipairs(peers) do roll.expected[id] = true end
  roll.full = max(roll.full, min(full, now))
  for _, report in ipairs(reports) do
    local known = knownOf(roll, report.figures)
    known.told, known.since = max(known.told, report.told), known.since + report.since
    known.hold = max(known.hold, report.hold)
    if report.learned > 0 and (known.learned == 0 or report.learned < known.learned) then
      known.learned = report.learned
    end
    for _, use in ipairs(report.sent) do known.sent[#known.sent + 1] = use end
    if report.figures.limit < known.figures.limit then known.figures = report.figures end
  end
end

local function running(b, uses)
  local edge, list = b.reset > 0 and b.began - SKEW or now - life(b), {}
  for _, use in ipairs(uses) do if use[1] > edge then list[#list + 1] = use end end
  return list
end

-- Books what replicas sent; of a long window also what others had sent that are gone since, of 'whole' units at least.
local function rebuildBucket(b, sent, whole)
  local others = whole
  local told = width(b) + (b.reset > 0 and b.began or now - b.per[1])
  for _, use in ipairs(sent) do
    book(b, use[2], min(use[1], now + LONGEST_ALLOWANCE))
    if use[1] > told then others = others - use[2] end
  end
  others = min(others, effective(b) - b.used)
  if isLong(b) and others > 0 then book(b, others, now) end
end

-- 'rebuild': all that were known told what they sent. Else short windows start as full.
local function restart(roll, isLost, rebuild)
  G.epoch = max(G.epoch + 1, now)
  G.full = rebuild and roll.full or now
  G.pacer, G.due, G.sweep = '', NEVER, now
  -- Whose call it is lives, or said good-bye.
  for id, replica in pairs(all(R_)) do if replica and id ~= me then replica.last, replica.pushed = now, 0 end end
  for _, known in pairs(roll.known) do stated(known.figures, true) end
  for key in pairs(idleLanes()) do lanes[key].touched = now end
  for _, lane in pairs(lanes) do
    if lane then
      lane.touched, lane.older = now, mark(lane)
      lane.newer = lane.older
    end
  end
  local buckets, least = all(B_), nil
  for _, b in pairs(buckets) do
    if b and not isLong(b) then least = min(least or huge, b.limit[1]) end
  end
  for name, b in pairs(buckets) do
    if b then
      local known = roll.known[name] or {told = 0, sent = {}}
      local told, sent = max(b.used, known.told), running(b, known.sent)
      clear(b)
      if isLost then
        b.hold = max(b.hold, known.hold or 0)
        if (known.learned or 0) > 0 then learn(b, known.learned) end
        b.raise = now + LEARNED_WINDOWS * b.per[1]
      end
      if rebuild then
        rebuildBucket(b, sent, told + (known.since or 0))
        if startsFull(b) then fill(b, nil, 0, G.full) end
      elseif isLong(b) then
        local units = 0
        for _, use in ipairs(sent) do units = units + use[2] end
        fill(b, max(told, units), least or b.burst[1], now)
      else
        fill(b, nil, 0, now)
      end
    end
  end
  models.shareAfterRestart()
  advanced = {}
end

local function areIn(ids, set)
  for id in pairs(ids) do if not set[id] then return false end end
  return true
end

local function endRollCall()
  if not G.rolling then return end
  local roll = record(G_, 'roll')
  local isLost = roll.forced or roll.seen > G.seq
  local everyone, isKnown = not isLost or roll.informed >= roll.need, roll.need > 0 or next(roll.expected) ~= nil
  -- One that an older script began has none.
  local living = {}
  for _, id in ipairs(roll.living or {}) do living[id] = true end
  for id in pairs(roll.expected) do everyone = everyone and (roll.answered[id] or not isLost and not living[id]) end
  if roll.closing == 0 then
    if now >= roll.ends or everyone and isKnown and now >= roll.began + SHORTEST_ROLL_CALL then
      local isOver = not isLost or now >= roll.ends
      roll.closing, roll.confirmed = now, {[me] = true}
      if isOver or areIn(roll.expected, roll.confirmed) then
        roll.ends = now + ROLL_CALL_CLOSING
      else
        roll.ends = max(roll.ends, now + ROLL_CALL_CLOSING)
        publish('', 'r')
      end
    end
    return
  end
  if now < roll.ends then return end
  records[G_]['roll'] = false
  G.rolling = false
  local live = record(G_, 'live')
  if live then live.former, live.till = roll.before, now + DEAD end
  G.seq = max(G.seq, roll.seen) + roll.bookings
  if isLost or not everyone then restart(roll, isLost, isLost and everyone and isKnown) end
end

local function sharers(key)
  local count = 0
  for laneKey, lane in pairs(lanes) do
    if lane and lane.waiting > 0 and laneKey:sub(LANE) == key:sub(-1) and has(lane.set, key:sub(1, -3)) then
      count = count + 1
    end
  end
  return count
end

-- Four times a second at most: drops the waiters of the dead, counts the living, forgets what is empty.
local function sweep()
  local live, known, ids, dead, isDead = {}, {}, {}, {}, false
  for id, replica in pairs(all(R_)) do if replica then ids[#ids + 1] = id end end
  table.sort(ids)
  G.death = NEVER
  for _, id in ipairs(ids) do
    local replica = record(R_, id)
    if replica.last >= now - DEAD or id == me and replica.waiting > 0 then
      live[#live + 1] = id
      known[#known + 1] = id
      if id ~= me and replica.waiting > 0 then G.death = min(G.death, replica.last + DEAD + 1) end
    else
      if replica.granted > 0 and replica.granted > now - G.life then known[#known + 1] = id end
      if replica.waiting > 0 then
        dead[id], isDead = replica, true
      elseif replica.last < now - SHORT then
        records[R_][id] = false
      end
    end
  end
  G.dropping = false
  if isDead then
    local _, more = scan(G.scanned, DROPS, function(owner) return dead[owner] end)
    G.scanned, G.dropping = more, more and true
    for _, replica in pairs(dead) do G.dropping = G.dropping or replica.waiting > 0 end
  else
    G.scanned = false
  end
  local former = record(G_, 'live') or {}
  records[G_]['live'] = {list = live, known = known, former = former.former, till = former.till}
  G.sweep = G.dropping and now or now + SWEEP
  for key, touched in pairs(idleLanes()) do if touched < now - memory() then forgetLane(key) end end
  local few = {}
  for key in pairs(G.shared) do if sharers(key) < 2 then few[#few + 1] = key end end
  for _, key in ipairs(few) do
    purgeShared(key, 50, true)
    if #first(XO_, key) == 0 then G.shared[key] = nil end
  end
  for key in pairs(G.owed) do if sharers(key) == 0 then G.owed[key] = nil end end
end

-- Buckets that hold nothing, that nobody needs and that taught nothing are forgotten.
local function lookAtAllBuckets()
  local shared, waitedFor, touched = {}, {}, {}
  for key in pairs(G.shared) do shared[key:sub(1, -3)] = true end
  for _, lane in pairs(lanes) do
    if lane and lane.waiting > 0 then for _, name in ipairs(lane.set) do waitedFor[name] = true end end
  end
  for name in pairs(records[B_]) do touched[name] = true end
  local span = memory()
  G.quotas, G.crowd = {}, 0
  for name, b in pairs(all(B_)) do
    if b then
      local used, learned, since, blocks, reset = b.used, b.learned, b.first, #b.coarse, b.reset
      advance(name)
      -- Nothing that follows in this call changes it.
      if not touched[name] and not waitedFor[name] and b.used == used and b.learned == learned and b.first == since
        and #b.coarse == blocks and b.reset == reset then
        unchanged[b] = true
      end
      if b.used == 0 and b.learned == 0 and b.hold <= now and b.lanes == 0 and not shared[name]
        and b.limit[2] < now - span then
        records[B_][name] = false
        advanced[name] = nil
        for urgency = 0, 7 do G.owed[sharedKey(name, urgency)] = nil end
      else
        local quota = name:match('^([^/]*)/')
        G.crowd = G.crowd + 1
        if quota then G.quotas[quota] = true end
      end
    end
  end
  local pauses = record(G_, 'pauses')
  for quota, pause in pairs(pauses or {}) do
    if not pause[1] and pause[2] <= now - PAUSE_MEMORY then pauses[quota] = nil end
  end
end

-- The call.
if ARGV[4] ~= G.run then
  G.run = ARGV[4]
  startRollCall(wentBack)
elseif wentBack or G.rolling and silence > SILENCE then
  startRollCall(true)
elseif not G.rolling and (tonumber(ARGV[5]) > G.seq or silence > SILENCE) then
  startRollCall(false)
end
if G.rolling then
  local roll = record(G_, 'roll')
  roll.seen = max(roll.seen, tonumber(ARGV[5]))
  roll.need = max(roll.need, tonumber(ARGV[6]))
  if tonumber(ARGV[6]) > 0 then roll.expected[me] = true end
  -- One that an older script began has none.
  roll.confirmed = roll.confirmed or {}
  local isConfirmed = areIn(roll.expected, roll.confirmed)
  if roll.closing > 0 and number > 0 then roll.confirmed[me] = true end
  if not isConfirmed and roll.closing > 0 and areIn(roll.expected, roll.confirmed) then
    roll.ends = min(roll.ends, now + ROLL_CALL_CLOSING)
  end
elseif joins then
  publish('', 'r')
end

local results = {}
if isFresh then
  for _ = 1, numberArg() do
    local key, figures, shared = arg(), {}, {}
    for i = 1, numberArg() do figures[i] = figuresArg() end
    for i = 1, numberArg() do shared[i] = arg() end
    models.state(key, figures, shared, #shared > 0 and arg())
  end
  while at <= #ARGV do
    local kind, wait, ahead, entered = operations[arg()]()
    local count = #results
    results[count + 1], results[count + 2], results[count + 3] = kind or 0, wait or 0, ahead or 0
    results[count + 4] = entered or {}
  end
end
endRollCall()
if now >= min(G.sweep, G.death) or joins then sweep() end
if tellsAll then lookAtAllBuckets() end
if number > 0 then
  local due = decide()
  due = min(due, G.dropping and now + SCAN_INTERVAL or G.death)
  local isOverdue = now > G.due + 100000
  local former, formerDue = G.pacer, G.due
  local pacer = former ~= '' and record(R_, former)
  local isGone = not pacer or pacer.last < now - DEAD
  if G.waiting == 0 then
    G.pacer, G.due = '', NEVER
  elseif G.pacer == me or isOverdue or isGone or due < G.due - 1000 then
    G.pacer, G.due = me, due
  end
  if former ~= '' and former ~= me and former ~= G.pacer and formerDue > now and formerDue < NEVER then
    publish(former, 'd' .. pack('>I8I8', formerDue, now))
  end
  -- Who said good-bye will not call again, and the others have no timer.
  if G.pacer == me and me_.last ~= now then
    G.pacer, G.due = '', NEVER
    publish('', 'r')
  end
end

-- Shortly before a replica is taken for dead all are to call: the pacer may be silent too.
local dueToCall = -1
if G.pacer == me then
  dueToCall = G.due
elseif G.waiting > 0 and G.death < now + DEATH_NOTICE then
  dueToCall = G.death
end

local told = {}
for name in pairs(advanced) do tellBucket(bucket(name), told, G.paused) end
local peers, pauses = {}, {}
if tellsAll then
  local quotas = record(G_, 'pauses') or {}
  local sorted = {}
  for quota in pairs(quotas) do sorted[#sorted + 1] = quota end
  table.sort(sorted)
  for i, quota in ipairs(sorted) do
    local pause = quotas[quota]
    pauses[3 * i - 2], pauses[3 * i - 1], pauses[3 * i] = quota, pause[1] and 1 or 0, pause[2]
  end
  local live = record(G_, 'live')
  for rank, id in ipairs(live and live.list or {}) do
    if id == me then peers = {#live.list, rank - 1, G.full, unpack(live.known)} end
  end
end
flush()
local expiry = max(3600, floor(G.longest / 500000))
if tellsAll then for _, key in ipairs(KEYS) do written[key] = true end end
for key in pairs(written) do call('EXPIRE', key, expiry) end
return {
  now, number, G.seq, G.epoch, me_.waiting, G.waiting, dueToCall,
  G.rolling and record(G_, 'roll').ends or -1, results, granted, told, peers, pauses,
}
