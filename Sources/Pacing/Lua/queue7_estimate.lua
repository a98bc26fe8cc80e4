-- How long a call would wait, or one that is there ('isThere'): QueueEstimate.swift. Returns µs, how many go before, and
-- the µs until the first call of its lane may go.
-- In a block: a script may have two hundred local names.
local estimate
do
  local function micros(value) return value < NEVER and floor(value) or NEVER end

  local function lasting(backlog, returns)
    if returns >= RETURN_UNIT then return huge end
    return backlog * RETURN_UNIT / (RETURN_UNIT - returns)
  end

  -- How many tags, one every 'step', are before another; an equal one counts where its name is first.
  local function turns(start, tag, step, isFirst)
    local steps = (tag - start) / step
    if steps < -1e-6 then return 0 end
    local whole = floor(steps + 1e-6)
    return (steps - whole > 1e-6 or isFirst) and whole + 1 or whole
  end

  -- As long as little is known of a client, as its lane's.
  local function returnsOf(client, lane)
    return floor((client.returns * client.seen + lane.returns * (RETURN_PARTS - client.seen)) / RETURN_PARTS)
  end

  -- What is needed of a flow that is not changed: no record, which would be packed again when the call ends.
  local function glance(text)
    if #text == 12 then return {waiting = unpackBits('>I4', text)} end
    local waiting, weight, _, returns, _, seen, load = unpackBits('>I4I3dI2I1I1d', text)
    return {waiting = waiting, weight = weight, returns = returns, seen = seen, load = load}
  end

  -- The first children by tag.
  local function firstFlows(prefix, path)
    local found, paths, unread, at = {}, {}, {}, #prefix + 2
    for i, member in ipairs(first(O_, prefix .. 'b', SAMPLE)) do
      local name = member:sub(at + 8)
      found[i] = {tag = unpackBits('>d', member, at), name = name, record = records[F_][path .. name]}
      if not found[i].record then unread[#unread + 1], paths[#paths + 1] = found[i], path .. name end
    end
    if #paths > 0 then
      for i, text in ipairs(call('HMGET', F_, unpack(paths))) do unread[i].record = glance(text) end
    end
    return found
  end

  -- Calls, and parts of a quota, of a flow's other children that go before one with that tag. 'prefix' of them in O,
  -- 'path' in F. 'returns': of all; nil: each has its own.
  local function beforeTag(tag, name, prefix, path, mean, waiting, weights, others, returns, lane, sole)
    if waiting <= 0 then return 0, 0 end
    local calls, shares, wanted, beyond, seen, last, rest, restWeights = 0, 0, 0, 0, 0, 0, waiting, weights
    for _, entry in ipairs(sole or firstFlows(prefix, path)) do
      last = entry.tag
      if entry.name ~= name then
        local child = entry.record
        local weight, cost = child.weight or 1, mean
        rest, restWeights = rest - child.waiting, restWeights - weight
        if child.load and child.load > 0 then cost = child.load / child.waiting end
        local count = turns(last, tag, cost / weight, entry.name < name)
        local served = min(count, lasting(child.waiting, returns or returnsOf(child, lane)))
        wanted = wanted + count * cost
        seen = seen + 1
        beyond = beyond + max(0, count - max(0, tag - last) * weight / cost)
        calls = calls + served
        shares = shares + served * cost
      end
    end
    if rest <= 0 or tag <= last then return calls, shares end
    -- Whole turns beyond the even ones: equal tags go by name, and everybody's first counts whole.
    local extra = seen > 0 and beyond / seen * max(0, others - seen) * mean or 0
    local more = ((tag - last) * restWeights + extra) * (wanted > 0 and shares / wanted or 1)
    more = min(more, lasting(rest * mean, returns or lane.returns))
    return calls + more / mean, shares + more
  end

  -- Of a call that waits: how many go before it of its user's, or of those that were put back if it was.
  local function placeOf(t, lane)
    if lane.front > 0 and call('ZSCORE', T_, t.front) then
      return call('ZLEXCOUNT', T_, '[' .. t.lane .. '\1', '(' .. t.front), true
    end
    if not call('ZSCORE', T_, t.text) then return nil end
    return call('ZLEXCOUNT', T_, '[' .. t.clientPath .. NUL .. t.user .. NUL, '(' .. t.text), false
  end

  local function beforeInClient(t, place, client, mean, lane)
    local below = ofUsers(client)
    local user = not client.sole and flow(below .. t.user)
    local waiting = user and user.waiting or client.sole == t.user and client.waiting or 0
    local tag, own = max(client.virtual, user and user.tag or 0), place or waiting
    if waiting > 0 then tag = (user and user.tag or soleStart(client)) + own * mean end
    local calls, shares = beforeTag(tag, t.user, below, below, mean,
      client.waiting - waiting, client.weights - (waiting > 0 and 1 or 0), client.active - (waiting > 0 and 1 or 0),
      returnsOf(client, lane), lane,
      client.sole and {{tag = soleStart(client), name = client.sole, record = {waiting = client.waiting}}})
    return own + calls, own * mean + shares
  end

  local function beforeInLane(t, lane, mean, isThere)
    local place, isPutBack
    if isThere then place, isPutBack = placeOf(t, lane) end
    if isPutBack then return place, place * mean end
    local client, waiting, weight, tag = flow(t.clientPath), 0, 0, lane.virtual
    local calls, shares = lane.front, lane.front * mean
    if client then
      waiting = client.waiting
      if waiting > 0 then
        weight = client.weight
        local each = client.load > 0 and client.load / waiting or mean
        local ownCalls, ownShares = beforeInClient(t, place, client, each, lane)
        calls = calls + ownCalls
        shares = shares + ownShares
        tag = client.tag + ownShares / t.weight
      else
        tag = max(tag, client.tag)
      end
    end
    local otherCalls, otherShares = beforeTag(tag, t.client, t.lane .. '\1', t.lane .. '\2', mean,
      lane.waiting - lane.front - waiting, lane.weights - weight, lane.active - (waiting > 0 and 1 or 0), nil, lane)
    return calls + otherCalls, shares + otherShares
  end

  -- What part of a bucket's units the lane got of late; nil where that is not known.
  local function partOf(lane, i, cost)
    local total = bucket(lane.set[i]).total - lane.older[3][i]
    if lane.waiting == 0 or total < PART_CALLS * cost or total <= 0 then return nil end
    return min(1, max(LEAST_PART, (lane.served[i] - lane.older[2][i]) / total))
  end

  local function unitsWithBacklogs(key, name, units, part)
    local sum, parts = units, part
    for _, otherKey in ipairs(sortedLanes()) do
      local other = lanes[otherKey]
      if other and other.waiting > 0 and otherKey ~= key then
        for i, set in ipairs(other.set) do
          if set == name then
            sum = sum + lasting(other.loads[i], other.returns)
            local total = bucket(name).total - other.older[3][i]
            -- Not by chance.
            if total > 0 and total * other.waiting >= PART_CALLS * other.loads[i] then
              parts = parts + (other.served[i] - other.older[2][i]) / total
            end
          end
        end
      end
    end
    return sum / min(1, parts)
  end

  local function unitsOfOthers(key, name, units)
    local sum, urgency = 0, urgencyOf(key)
    for _, otherKey in ipairs(sortedLanes()) do
      local other = lanes[otherKey]
      if other and other.waiting > 0 and otherKey ~= key and urgencyOf(otherKey) <= urgency then
        for i, set in ipairs(other.set) do
          if set == name then
            local most = urgencyOf(otherKey) < urgency and units / FLOOR or units
            sum = sum + min(lasting(other.loads[i], other.returns), most)
          end
        end
      end
    end
    return sum
  end

  function estimate(t, lane, isThere)
    local mean = lane.load > 0 and lane.load / lane.waiting or share(lane, t.costs)
    local beforeCalls, beforeShares = beforeInLane(t, lane, mean, isThere)
    local longest, soonest, most, roll = 0, 0, beforeCalls, G.rolling and record(G_, 'roll')
    for i, name in ipairs(lane.set) do
      advance(name)
      local b = bucket(name)
      local cost = min(t.costs[i], effective(b))
      local each = lane.loads[i] > 0 and lane.loads[i] / lane.waiting or cost
      local units = each * (beforeShares / mean) + cost
      local part = partOf(lane, i, cost)
      if part then
        units = min(units / part, unitsWithBacklogs(t.lane, name, units, part))
      else
        local others = unitsOfOthers(t.lane, name, units)
        units = units + others
        if each > 0 then most = max(most, beforeCalls + others / each) end
      end
      -- What is booked lies as far ahead as the clock was set back, until the roll call is over.
      local back = b.reset == 0 and roll and roll.back or 0
      now = now + back
      local soon = ready(b, cost, true) - now
      longest, soonest = max(longest, soon, span(b, units)), max(soonest, soon)
      now = now - back
    end
    if roll then
      soonest = max(soonest, roll.ends - now)
      longest = max(longest, soonest)
    end
    return micros(longest), floor(min(most, G.waiting) + 0.5), micros(soonest)
  end
end
