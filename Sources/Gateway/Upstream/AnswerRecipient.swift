package import HTTPWire
package import NIOCore

/// Takes the answer to one outbound call: the caller's responder, a cache fill that tees to it, or a background refresh.
///
/// Calls come on the loop, in order: `waiting` any number of times, then either `answerRefused` alone, or `answerHead`,
/// `answerBytes` any number of times and one of `answerEnded` and `answerBroke`.
package protocol AnswerRecipient: AnyObject {
    /// The call waits for a slot.
    func waiting(position: Int, expected: TimeAmount)
    func answerHead(_ head: AnswerHead)
    func answerBytes(_ bytes: ByteBuffer)
    func answerEnded(_ timings: CallTimings)
    /// The answer broke off after its head.
    func answerBroke()
    /// There is no answer of the upstream.
    func answerRefused(_ refusal: Refusal, _ timings: CallTimings)
}

/// Status and fields of an upstream's answer.
package struct AnswerHead {
    package let status: Int
    package let fields: FieldBlock
    package var timings: CallTimings
    /// From Content-Length; `nil` where the body is chunked or ends with its connection.
    package let length: Int?

    package init(status: Int, fields: FieldBlock, timings: CallTimings, length: Int?) {
        self.status = status
        self.fields = fields
        self.timings = timings
        self.length = length
    }
}

/// Where a call's time went.
package struct CallTimings: Equatable {
    /// Waiting for slots, all tries together.
    package var queue = TimeAmount.zero
    /// Waiting for upstreams: from the slot to the first byte of the answer, of all tries and the pauses between them;
    /// or for an answer that was under way for somebody else.
    package var upstream = TimeAmount.zero
    /// From the slot to the first byte, the last try; `nil`: none came.
    package var firstByte: TimeAmount?
    /// Whether an upstream was called at all.
    package var calledUpstream = false
    package init() {}
}
