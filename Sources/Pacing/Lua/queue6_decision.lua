-- Who goes next: QueueDecision.swift.
local granted = {}

local decide, grant
do
  local function before(a, b)
    if a.owed ~= b.owed then return a.owed end
    if a.urgency ~= b.urgency then return a.urgency < b.urgency end
    if a.front ~= b.front then return a.front end
    if a.lead ~= b.lead then return a.lead < b.lead end
    if a.place ~= b.place then return a.place < b.place end
    return a.key < b.key
  end

  local function ranked()
    local ranks = {}
    for key, lane in pairs(lanes) do
      if lane and lane.waiting > 0 then
        local t, ahead = head(key, lane), 0
        if next(G.shared) then
          for _, name in ipairs(lane.set) do ahead = max(ahead, lead(sharedKey(name, t.urgency), t.client)) end
        end
        local credit = 0
        if next(G.owed) then
          for _, name in ipairs(lane.set) do credit = max(credit, G.owed[sharedKey(name, t.urgency)] or 0) end
        end
        ranks[#ranks + 1] = {
          key = key, owed = credit >= 1, urgency = t.urgency, front = lane.front > 0, lead = ahead, place = t.place,
        }
      end
    end
    if #ranks > 1 then table.sort(ranks, before) end
    return ranks
  end

  -- What goes now is back by that time, so it delays nobody who goes then.
  local function isBack(b, time)
    if b.reset > 0 then return time >= resetAfter(b) + SKEW end
    return time > now + LONGEST_ALLOWANCE + width(b) + life(b)
  end

  local function firstThatFits()
    local kept, spare, due = {}, {}, NEVER
    for _, rank in ipairs(ranked()) do
      local lane = lanes[rank.key]
      local t = head(rank.key, lane)
      local latest, blocker, alone, delaysOthers = nil, nil, 0, false
      for i, name in ipairs(lane.set) do
        local at = ready(bucket(name), t.costs[i])
        local isKept = t.costs[i] > (spare[name] or huge)
        alone, delaysOthers = max(alone, at), delaysOthers or isKept
        if at > now or isKept then
          if not latest or at >= latest then latest, blocker = at, name end
        end
      end
      if not blocker then return rank.key, kept, due end
      local fits, keeps = 0, true
      for i, name in ipairs(lane.set) do
        local already = kept[name] or 0
        fits = max(fits, ready(bucket(name), t.costs[i] + already))
        if already > 0 and t.costs[i] + already > effective(bucket(name)) then keeps = false end
      end
      -- Who delays nobody goes before those who are ahead fit.
      local wake = delaysOthers and fits or alone
      if wake > now then
        due = min(due, wake)
        -- A limit that rises may let it go before.
        for _, name in ipairs(lane.set) do
          if bucket(name).learned > 0 then due = min(due, bucket(name).raise) end
        end
      end
      lane.blocker = blocker
      if keeps then
        for i, name in ipairs(lane.set) do
          if not isBack(bucket(name), fits) then
            local already = kept[name] or 0
            spare[name] = min(spare[name] or huge, room(bucket(name), fits) - already - t.costs[i])
            kept[name] = already + t.costs[i]
          end
        end
      end
    end
    return nil, kept, due
  end

  -- By bucket how many had gone before it; then what is booked, where the limits allow less than it asks for.
  local function counts(t, lane)
    local list, booked, isLess = ofBuckets(lane, 'gone'), {}, false
    for i, name in ipairs(lane.set) do
      booked[i] = min(t.costs[i], effective(bucket(name)))
      isLess = isLess or booked[i] < t.costs[i]
    end
    for _, units in ipairs(isLess and booked or {}) do list[#list + 1] = units end
    return list
  end

  local function pushed(t)
    local list = counts(t, lanes[t.lane])
    local parts = {'g', pack('>I8I8I8I1', now, G.epoch, G.seq + 1, #list)}
    for i, count in ipairs(list) do parts[i + 2] = pack('>I8', count) end
    return table.concat(parts) .. t.text
  end

  local function hand(t)
    if t.owner == me then return true end
    local owner = record(R_, t.owner)
    if owner and owner.last >= now - DEAD and (owner.pushed == 0 or owner.pushed >= now - SILENT)
      and publish(t.owner, pushed(t)) > 0 then
      if owner.pushed == 0 then owner.pushed = now end
      return true
    end
    part(t, 0)
    return false
  end

  local function settleWithOthers(t, key, lane)
    local passed, sharing = {}, {}
    for otherKey, other in pairs(lanes) do
      if other and other.waiting > 0 and otherKey ~= key then
        local urgency = urgencyOf(otherKey)
        if urgency == t.urgency then
          for _, name in ipairs(other.set) do sharing[name] = true end
        else
          for _, name in ipairs(other.set) do
            if has(lane.set, name) then passed[sharedKey(name, urgency)] = true end
          end
        end
      end
    end
    for owing in pairs(passed) do G.owed[owing] = min(2, (G.owed[owing] or 0) + FLOOR) end
    for i, name in ipairs(lane.set) do
      if sharing[name] then
        local tags = sharedKey(name, t.urgency)
        if not G.shared[tags] then G.shared[tags] = 0 end
        chargeIn(tags, t, t.costs[i] / bucket(name).limit[1])
        heads = {}
      end
    end
  end

  function grant(t, key, lane, kept, severalLanes)
    G.seq = G.seq + 1
    local owner = record(R_, t.owner)
    if owner then owner.granted = now end
    if t.owner == me then granted[#granted + 1], granted[#granted + 2] = t.text, counts(t, lane) end
    if severalLanes then settleWithOthers(t, key, lane) end
    if next(G.owed) then
      for _, name in ipairs(lane.set) do
        local owing = sharedKey(name, t.urgency)
        if G.owed[owing] then G.owed[owing] = max(0, G.owed[owing] - 1) end
      end
    end
    local portion = share(lane, t.costs)
    if now - t.place >= SHORTEST_WAIT and (lane.front == 0 or not call('ZSCORE', T_, t.front)) then
      served(lane)
      served(flow(t.clientPath))
    end
    part(t, portion)
    addCosts(lane.served, t.costs, 1)
    local longest = 0
    for i, name in ipairs(lane.set) do
      local b = bucket(name)
      take(b, min(t.costs[i], effective(b)), t.allowance, (kept[name] or 0) > 0)
      longest = max(longest, b.per[1])
    end
    if lane.waiting == 0 then lane.blocker = nil end
    if now > lane.newer[1] + floor(min(SHORT, longest) / 2) then
      lane.older, lane.newer = lane.newer, mark(lane)
    end
  end

  -- Grants what fits; returns when to decide again.
  function decide()
    if G.rolling then return record(G_, 'roll').ends end
    if G.paused then return NEVER end
    local count = 0
    for _, lane in pairs(lanes) do
      if lane then
        count = count + 1
        if lane.waiting > 0 then for _, name in ipairs(lane.set) do advance(name) end end
      end
    end
    local due = #granted > 0 and now or NEVER
    for _ = #granted / 2 + 1, GRANTS do
      local key, kept
      key, kept, due = firstThatFits()
      if not key then break end
      due = now
      local lane = lanes[key]
      local t = head(key, lane)
      if hand(t) then grant(t, key, lane, kept, count > 1) end
    end
    return due
  end
end
