package import Pacing

/// Which buckets a call must fit, by its model and method. Pure; one an upstream.
package struct QuotaPlan: Sendable {
    package enum Outcome: Sendable {
        /// No quota covers it: it goes at once.
        case unlimited
        case costs([QueueRequest.Cost])
        /// A batch of more items than a quota ever holds.
        case tooLarge(quota: String, holds: Int)
    }

    package let quotas: [Configuration.Quota]

    package init(quotas: [Configuration.Quota]) {
        self.quotas = quotas
    }

    /// - Parameters:
    ///   - model: as the call names it; `nil` where it names none.
    ///   - method: as `CallShape` names it.
    ///   - items: of a batch; 1 for anything else.
    package func costs(model: String?, method: String, items: Int) -> Outcome {
        var costs: [QueueRequest.Cost] = []
        for quota in quotas where covers(quota, model: model, method: method) {
            let units = quota.batch == .items ? max(1, items) : 1
            if units > quota.requests { return .tooLarge(quota: quota.name, holds: quota.requests) }
            costs.append(.init(bucket(quota, model: model), units: units))
        }
        return costs.isEmpty ? .unlimited : .costs(costs)
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

    private func bucket(_ quota: Configuration.Quota, model: String?) -> BucketSpec {
        let name =
            switch quota.scope {
            case .model: "\(quota.name)/\(model ?? "")"
            case .upstream: quota.name
            }
        return BucketSpec(name: name, limit: quota.requests, per: quota.per, burst: quota.burst)
    }
}

/// `*` any run of characters, `?` one.
package enum Glob {
    package static func matches(_ text: String, pattern: String) -> Bool {
        let text = Array(text.utf8)
        let pattern = Array(pattern.utf8)
        var t = 0
        var p = 0
        var star: (pattern: Int, text: Int)?
        while t < text.count {
            if p < pattern.count, pattern[p] == UInt8(ascii: "*") {
                star = (p, t)
                p += 1
            } else if p < pattern.count, pattern[p] == UInt8(ascii: "?") || pattern[p] == text[t] {
                p += 1
                t += 1
            } else if let last = star {
                p = last.pattern + 1
                t = last.text + 1
                star = (last.pattern, t)
            } else {
                return false
            }
        }
        while p < pattern.count, pattern[p] == UInt8(ascii: "*") { p += 1 }
        return p == pattern.count
    }
}
