package import Dialects
internal import Pacing
internal import Synchronization

/// Tokens that a call will take, told before it is sent.
package struct TokenEstimate: Sendable, Equatable {
    package var input: Int
    package var output: Int

    package init(input: Int, output: Int) {
        self.input = input
        self.output = output
    }

    package static let none = TokenEstimate(input: 0, output: 0)

    package func units(of count: Configuration.Quota.TokenCount) -> Int {
        switch count {
        case .input: input
        case .output: output
        case .total: input + output
        }
    }
}

/// Learns from the answers of one upstream how many tokens its calls take, model by model.
///
/// One for all loops of the process. Memory is bounded: callers choose the models.
package final class TokenEstimator: Sendable {
    /// A mean in which each observation counts 5 % less with every one that follows. What it begins with counts little.
    private struct Mean {
        var sum: Double
        var weight: Double

        var value: Double { sum / weight }

        mutating func observe(_ sum: Double, weight: Double) {
            self.sum = self.sum * 0.95 + sum
            self.weight = self.weight * 0.95 + weight
        }
    }

    private struct Model {
        /// Tokens a byte of text: a quarter, as English has it, until the answers tell. Long texts count more.
        var text = Mean(sum: 100, weight: 400)
        /// Gemini's figure for a picture of up to 384 × 384; larger ones are cut into tiles of so many each.
        var image = Mean(sum: 258, weight: 1)
        /// A token for so many bytes of sound at 128 kbit/s, which is 32 tokens a second; films and documents are near.
        var media = Mean(sum: 10, weight: 5_000)
        /// A few pages.
        var file = Mean(sum: 1_500, weight: 1)
        var output = Mean(sum: 500, weight: 1)
    }

    private static let modelLimit = 512
    /// Models beyond the limit learn together.
    private static let others = ExactName("")

    private let models = Mutex<[ExactName: Model]>([:])

    package init() {}

    /// - Parameters:
    ///   - model: as the call names it; empty: none.
    ///   - produces: the call makes text, which costs output tokens.
    package func estimate(_ size: PromptSize, model: String, produces: Bool) -> TokenEstimate {
        let model = models.withLock { $0[ExactName(model)] ?? $0[Self.others] } ?? Model()
        let input =
            Double(size.textBytes) * model.text.value + Double(size.images) * model.image.value
            + Double(size.mediaBytes) * model.media.value + Double(size.files) * model.file.value
        let output = produces ? size.candidates * (size.maximumOutput ?? Int(model.output.value.rounded(.up))) : 0
        return TokenEstimate(input: max(1, Int(input.rounded(.up))), output: output)
    }

    /// What a call took that was answered to its end.
    package func learn(_ usage: TokenUsage, of size: PromptSize, model name: String, produces: Bool) {
        models.withLock { models in
            let own = ExactName(name)
            let name = models[own] != nil || models.count < Self.modelLimit ? own : Self.others
            var model = models.removeValue(forKey: name) ?? Model()
            learn(Double(usage.input), of: size, into: &model)
            if produces { model.output.observe(Double(usage.output) / Double(size.candidates), weight: 1) }
            models[name] = model
        }
    }

    /// What one kind of content took is told where no other stands beside it but text, of which more is known.
    private func learn(_ input: Double, of size: PromptSize, into model: inout Model) {
        if size.isText {
            guard size.textBytes > 0 else { return }
            // No text has more tokens than bytes, or fewer than one in 32.
            let tokens = min(max(input, Double(size.textBytes) / 32), Double(size.textBytes))
            model.text.observe(tokens, weight: Double(size.textBytes))
            return
        }
        let rest = input - Double(size.textBytes) * model.text.value
        guard rest > 0 else { return }
        if size.mediaBytes == 0, size.files == 0 {
            model.image.observe(rest / Double(size.images), weight: 1)
        } else if size.images == 0, size.files == 0 {
            model.media.observe(rest, weight: Double(size.mediaBytes))
        } else if size.images == 0, size.mediaBytes == 0 {
            model.file.observe(rest / Double(size.files), weight: 1)
        }
    }
}
