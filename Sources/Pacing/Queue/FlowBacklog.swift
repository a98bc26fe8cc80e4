/// How much of a flow's children goes before a tag.
extension FlowTree {
    struct Ahead {
        var calls: Double
        /// Parts of a quota.
        var shares: Double
    }

    /// What of a flow's other children goes before one with that tag. Looks at the first ones by tag only; the rest is
    /// taken to be like them.
    ///
    /// - Parameters:
    ///   - mean: what a call costs; each client knows better.
    ///   - waiting: of the other children, their weights in all, and how many they are.
    ///   - returns: of all of them; nil: each has its own.
    func before(
        _ tag: Double,
        of name: String,
        in parent: Int,
        mean: Double,
        waiting: Int,
        weights: Int,
        count: Int,
        returns: Int?
    ) -> Ahead {
        var ahead = Ahead(calls: 0, shares: 0)
        guard waiting > 0 else { return ahead }
        var wanted = 0.0
        // Whole turns beyond the even ones: equal tags go by name, and everybody's first counts whole.
        var beyond = 0.0
        var seen = 0
        var last = 0.0
        var rest = waiting
        var restWeights = weights
        for entry in self[parent].busy.prefix(Pace.sample) {
            last = entry.tag
            guard !entry.name.isExactly(name) else { continue }
            let child = self[entry.flow]
            rest -= child.waiting
            restWeights -= child.weight
            let cost = child.load > 0 ? child.load / Double(child.waiting) : mean
            let turns = Self.turns(
                from: entry.tag,
                before: tag,
                step: cost / Double(child.weight),
                isFirst: entry.name.utf8Precedes(name)
            )
            let calls = min(
                turns,
                Flow.lasting(Double(child.waiting), returns: returns ?? child.returns(in: self[parent]))
            )
            wanted += turns * cost
            seen += 1
            beyond += max(0, turns - max(0, tag - entry.tag) * Double(child.weight) / cost)
            ahead.calls += calls
            ahead.shares += calls * cost
        }
        guard rest > 0, tag > last else { return ahead }
        let extra = seen > 0 ? beyond / Double(seen) * Double(max(0, count - seen)) * mean : 0
        let more = ((tag - last) * Double(restWeights) + extra) * (wanted > 0 ? ahead.shares / wanted : 1)
        let shares = min(more, Flow.lasting(Double(rest) * mean, returns: returns ?? self[parent].returns))
        ahead.calls += shares / mean
        ahead.shares += shares
        return ahead
    }

    /// How many tags, one every `step`, are before another; an equal one counts where its name is first.
    private static func turns(from start: Double, before tag: Double, step: Double, isFirst: Bool) -> Double {
        let steps = (tag - start) / step
        if steps < -1e-6 { return 0 }
        let whole = (steps + 1e-6).rounded(.down)
        return steps - whole > 1e-6 || isFirst ? whole + 1 : whole
    }
}

extension Flow {
    /// As long as little is known of a client, as its lane's.
    func returns(in lane: Flow) -> Int {
        (returns * seen + lane.returns * (Pace.returnParts - seen)) / Pace.returnParts
    }

    /// How much of a backlog will have been there until it is empty, where for what is served so much comes again.
    static func lasting(_ backlog: Double, returns: Int) -> Double {
        guard returns < Pace.returnUnit else { return .infinity }
        return backlog * Double(Pace.returnUnit) / Double(Pace.returnUnit - returns)
    }
}
