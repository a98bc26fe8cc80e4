internal import Dialects
internal import NIOCore
internal import Pacing

/// What a call really took of its token quotas. Pure.
enum TokenSettlement {
    /// - Parameters:
    ///   - usage: the last that the answer told; `nil`: it told none.
    ///   - isWhole: the answer came to its end. What broke off may have cost more than it told: the larger counts.
    /// - Returns: units by bucket, of those that differ from what was reserved.
    static func units(
        of charges: [QuotaCharge],
        quotas: [Configuration.Quota],
        usage: TokenUsage?,
        isWhole: Bool
    ) -> [String: Int] {
        guard let usage else { return [:] }
        let tokens = TokenEstimate(input: usage.input, output: usage.output)
        var units: [String: Int] = [:]
        for charge in charges {
            guard case .tokens(let count) = quotas[charge.quota].unit else { continue }
            let bucket = charge.cost.bucket
            let reserved = min(charge.cost.units, bucket.limit)
            let used = isWhole ? tokens.units(of: count) : max(reserved, tokens.units(of: count))
            if used != reserved { units[bucket.name] = used }
        }
        return units
    }
}

extension OutboundCall {
    /// Of whom a quota counts tokens, once, as the body does not change.
    func tokenEstimate() -> TokenEstimate {
        guard let method = request.shape.method, method.costsTokens else { return .none }
        let size = promptSize ?? measure()
        return request.upstream.tokens.estimate(
            size,
            model: request.shape.model ?? "",
            produces: method.producesTokens
        )
    }

    private func measure() -> PromptSize {
        let kept = request.body.kept
        let length =
            request.body.isWhole ? kept.readableBytes : request.body.declaredLength ?? request.route.maxBody
        let size = PromptSize(body: kept, length: length)
        promptSize = size
        return size
    }

    /// Corrects what was reserved, and learns from it.
    func settleTokens(isWhole: Bool) {
        guard let tokens = usage?.usage else { return }
        usage = nil
        worker.telemetry.used(tokens: tokens, client: request.caller.name, model: request.shape.model ?? "")
        guard let slot = usedGrant, let queue = request.upstream.queue, let size = promptSize else { return }
        // The size of a body that is not kept whole is a guess: nothing is to be learned by it.
        if isWhole, request.body.isWhole, let method = request.shape.method {
            request.upstream.tokens.learn(
                tokens,
                of: size,
                model: request.shape.model ?? "",
                produces: method.producesTokens
            )
        }
        let units = TokenSettlement.units(
            of: charges,
            quotas: request.upstream.quotas.quotas,
            usage: tokens,
            isWhole: isWhole
        )
        if !units.isEmpty { queue.settle(slot, costs: units) }
    }
}
