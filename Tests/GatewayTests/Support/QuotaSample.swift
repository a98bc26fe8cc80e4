import Gateway

extension Configuration.Quota {
    /// A quota of which all may go at once.
    static func sample(
        _ name: String,
        _ limit: Int,
        unit: Unit = .requests,
        per: Duration = .seconds(60),
        scope: Scope = .model,
        change: (inout Self) -> Void = { _ in }
    ) -> Self {
        var quota = Self()
        quota.name = name
        quota.limit = limit
        quota.whole = limit
        quota.unit = unit
        quota.per = per
        quota.scope = scope
        quota.burst = limit
        change(&quota)
        return quota
    }
}
