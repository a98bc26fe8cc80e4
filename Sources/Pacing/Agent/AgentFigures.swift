/// Replicas whose configurations differ, as in a rolling deploy: the stricter figures hold, also where the replica that has
/// them makes no call that says so.
extension AgentState {
    /// How long figures are stated, once a second, after the store told looser ones: longer than a deploy takes.
    private static let disagreement: Micros = 600_000_000

    mutating func compareFigures(_ buckets: [BucketState], now: Micros) {
        for bucket in buckets {
            guard let own = figures(for: bucket), own.isStricter(than: bucket) else { continue }
            disagreed[bucket.name] = now + Self.disagreement
            pending.append(Item(operation: .state(own)))
        }
    }

    mutating func stateFigures(now: Micros) {
        guard !disagreed.isEmpty else { return }
        let known = told
        disagreed.keep { $1 > now && known[$0] != nil }
        for name in disagreed.names.sorted(by: { $0.utf8Precedes($1) }) {
            guard let own = told[name].flatMap(figures(for:)) else { continue }
            pending.append(Item(operation: .state(own)))
        }
    }

    /// As this replica's configuration has them; calendar windows at the reset that the store knows.
    private func figures(for bucket: BucketState) -> BucketFigures? {
        let quota = BucketName.quota(of: bucket.name)
        guard var figures = settings.quotas.first(where: { $0.name.isExactly(quota) })?.figures else { return nil }
        guard (figures.reset > 0) == (bucket.reset > 0) else { return nil }
        figures.name = bucket.name
        if bucket.reset > 0 { (figures.reset, figures.per) = (bucket.reset, bucket.per) }
        return figures
    }
}

extension BucketFigures {
    fileprivate func isStricter(than told: BucketState) -> Bool {
        limit < told.limit || burst < told.burst || per > told.per || guardInterval > told.life - told.per
    }
}
