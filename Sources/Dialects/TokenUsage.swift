/// Tokens that a call used, as the upstream counted them.
package struct TokenUsage: Sendable, Equatable {
    /// A count above that is none: sums of those that are told hold in 64 bits.
    static let mostInOneAnswer = 1 << 40

    /// What was sent, cached content and tool results included.
    package var input: Int
    /// What was made, thoughts included.
    package var output: Int

    package init(input: Int, output: Int) {
        self.input = input
        self.output = output
    }
}
