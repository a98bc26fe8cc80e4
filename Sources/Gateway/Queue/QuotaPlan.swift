package import Dialects
package import Pacing
internal import Synchronization

/// What a call takes of one quota.
package struct QuotaCharge: Sendable {
    /// Index into `QuotaPlan.quotas`.
    package var quota: Int
    package var cost: QueueRequest.Cost

    package init(quota: Int, cost: QueueRequest.Cost) {
        self.quota = quota
        self.cost = cost
    }
}

/// Which buckets a call must fit, by its model and method; one an upstream.
package final class QuotaPlan: Sendable {
    package enum Outcome: Sendable {
        /// No quota covers it: it goes at once.
        case unlimited
        /// Those that cover it count nothing of it: it goes at once.
        case free
        case charges([QuotaCharge])
        /// A batch of more items than a quota ever holds.
        case tooLarge(quota: String, holds: Int)
    }

    package let quotas: [Configuration.Quota]
    private let resets: [ResetMemo?]
    /// The buckets where models count that are too many to have their own; `nil`: one bucket for all of them anyway.
    private let overflows: [String?]

    package init(quotas: [Configuration.Quota]) {
        self.quotas = quotas
        resets = quotas.map { $0.reset.map(ResetMemo.init) }
        overflows = quotas.map { $0.scope == .model ? "\($0.name)/*" : nil }
    }

    /// - Parameters:
    ///   - model: as the call names it; `nil` where it names none.
    ///   - method: as `CallShape` has it.
    ///   - items: of a batch; 1 for anything else.
    ///   - now: seconds since 1970, asked for by calendar windows.
    ///   - tokens: an estimate, asked for where a quota counts them.
    package func charges(
        model: String?,
        method: CallMethod?,
        items: Int,
        now: @autoclosure () -> Int,
        tokens: () -> TokenEstimate
    ) -> Outcome {
        var charges: [QuotaCharge] = []
        var isCovered = false
        for (index, quota) in quotas.enumerated() where covers(quota, model: model, method: method?.name ?? "") {
            isCovered = true
            let units: Int
            switch quota.unit {
            case .requests:
                units = quota.batch == .items ? max(1, items) : 1
                if units > quota.limit { return .tooLarge(quota: quota.name, holds: quota.limit) }
            case .tokens(let count):
                units = tokens().units(of: count)
                if units == 0 { continue }
            }
            charges.append(
                QuotaCharge(
                    quota: index,
                    cost: .init(bucket(index, model: model, now: now()), units: units, isEstimate: quota.countsTokens)
                )
            )
        }
        guard isCovered else { return .unlimited }
        return charges.isEmpty ? .free : .charges(charges)
    }

    /// How long a day's quota that is spent stays so; `nil`: its window slides.
    package func untilReset(of quota: Int, now: Int) -> Duration? {
        resets[quota].map { .seconds($0.next(after: now) - now) }
    }

    /// What the buckets of quotas should be like, whichever models come. Of a day it says only that there is a
    /// reset: when that is the store knows, by the calls.
    package static func buckets(of quotas: [Configuration.Quota]) -> [BucketSpec] {
        quotas.map { $0.bucket(named: $0.name, reset: $0.reset.map { _ in .seconds(1) }, overflow: nil) }
    }

    private func covers(_ quota: Configuration.Quota, model: String?, method: String) -> Bool {
        if !quota.methods.isEmpty, !quota.methods.contains(method) { return false }
        if quota.models.isEmpty {
            // A quota a model counts calls of models; a list of models, say, names none.
            return quota.scope == .upstream || model != nil
        }
        guard let model else { return false }
        return quota.models.contains { Glob.matches(model, pattern: $0) }
    }

    private func bucket(_ index: Int, model: String?, now: @autoclosure () -> Int) -> BucketSpec {
        let quota = quotas[index]
        return quota.bucket(
            named: quota.scope == .model ? "\(quota.name)/\(model ?? "")" : quota.name,
            reset: resets[index].map { .seconds($0.next(after: now())) },
            overflow: overflows[index]
        )
    }
}

extension Configuration.Quota {
    fileprivate func bucket(named name: String, reset: Duration?, overflow: String?) -> BucketSpec {
        BucketSpec(name: name, limit: limit, per: per, burst: burst, reset: reset, overflow: overflow)
    }
}

/// A calendar window's next reset, reckoned from the zone's rules as soon as the last one has passed.
private final class ResetMemo: Sendable {
    private let reset: DailyReset
    private let known = Atomic<Int>(0)

    init(_ reset: DailyReset) { self.reset = reset }

    func next(after now: Int) -> Int {
        let next = known.load(ordering: .relaxed)
        // No day is longer: a clock that was set back makes it reckon again.
        if next > now, next - now <= 30 * 3_600 { return next }
        let reckoned = reset.next(after: now)
        known.store(reckoned, ordering: .relaxed)
        return reckoned
    }
}
