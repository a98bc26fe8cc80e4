import HTTPWire
import Testing

@Suite struct ConnectionStateTests {
    private func replying(
        hasBody: Bool = false,
        expectsContinue: Bool = false,
        keepsAlive: Bool = true
    ) -> ConnectionState {
        var state = ConnectionState(limits: WireLimits(maxDiscardedBody: 100))
        state.headArrived(hasBody: hasBody, expectsContinue: expectsContinue, keepsAlive: keepsAlive)
        return state
    }

    @Test("The next head is taken only after the reply's end")
    func oneAtATime() {
        var state = replying()
        let during = state.step(isWritable: true)
        _ = state.replyStarted(.fixed(remaining: 0), bodyRemaining: 0)
        let after = state.replyEnded()
        #expect(during == .nothing)
        #expect(after == .proceed)
        #expect(state.step(isWritable: true) == .head)
        #expect(state.step(isWritable: false) == .nothing)
    }

    @Test(
        "A reply's end is followed by what the request and the connection need",
        arguments: [
            (false, true, false, ConnectionState.AfterReply.proceed, ConnectionState.Step.head),
            (true, true, false, .proceed, .discardedBody), (false, false, false, .flushAndClose, .nothing),
            (true, false, false, .flushAndClose, .nothing), (false, true, true, .flushAndClose, .nothing),
        ]
    )
    func afterReply(
        hasBody: Bool,
        keepsAlive: Bool,
        isDraining: Bool,
        after: ConnectionState.AfterReply,
        step: ConnectionState.Step
    ) {
        var state = replying(hasBody: hasBody, keepsAlive: keepsAlive)
        let closesNow = isDraining && state.drain(holdsBytes: false)
        let keeps = state.replyStarted(.chunked, bodyRemaining: nil)
        let followed = state.replyEnded()
        #expect(!closesNow)
        #expect(keeps == (keepsAlive && !isDraining))
        #expect(followed == after)
        #expect(state.step(isWritable: true) == step)
    }

    @Test("Only a connection whose client may still be sending lingers", arguments: [true, false])
    func lingers(hasBody: Bool) {
        var state = replying(hasBody: hasBody, keepsAlive: false)
        _ = state.replyStarted(.chunked, bodyRemaining: nil)
        _ = state.replyEnded()
        let reads = state.wantsRead(holdsBytes: false, isWritable: true)
        let after = state.flushed()
        #expect(!reads)
        #expect(after == (hasBody ? .linger : .close))
        #expect(state.wantsRead(holdsBytes: false, isWritable: true) == hasBody)
    }

    @Test("A reply that breaks off where the close is the end resets")
    func cutUntilClose() {
        var state = replying()
        let keeps = state.replyStarted(.untilClose, bodyRemaining: 0)
        let after = state.replyCut()
        #expect(!keeps)
        #expect(after == .flushAndReset)
        #expect(state.flushed() == .close)
    }

    @Test(
        "100 Continue is sent once, and never after the reply began or bytes of the body came",
        arguments: [
            (false, false, true), (true, false, false), (false, true, false),
        ]
    )
    func sendsContinue(holdsBytes: Bool, hasBegun: Bool, expected: Bool) {
        var state = replying(hasBody: true, expectsContinue: true)
        if hasBegun { _ = state.replyStarted(.chunked, bodyRemaining: 5) }
        let first = state.readingAsked(holdsBytes: holdsBytes)
        let second = state.readingAsked(holdsBytes: holdsBytes)
        #expect(first == expected)
        #expect(!second)
    }

    @Test("Malformed bytes are answered only where nothing was sent for the request")
    func malformed() {
        var idle = ConnectionState(limits: WireLimits())
        var waiting = replying(hasBody: true)
        var begun = replying(hasBody: true)
        _ = begun.replyStarted(.chunked, bodyRemaining: nil)
        var untilClose = replying(hasBody: true)
        _ = untilClose.replyStarted(.untilClose, bodyRemaining: nil)
        let results = [idle.malformed(), waiting.malformed(), begun.malformed(), untilClose.malformed()]
        #expect(results == [.answer, .answer, .cut(.flushAndClose), .cut(.flushAndReset)])
        #expect(idle.dropsBytes && waiting.dropsBytes && begun.dropsBytes && untilClose.dropsBytes)
    }

    @Test("A receiver is told of the close only while its reply is unfinished")
    func closed() {
        var pending = replying()
        var idle = ConnectionState(limits: WireLimits())
        let results = [pending.closed(), pending.closed(), idle.closed()]
        #expect(results == [true, false, false])
    }

    @Test("Reading off a body has a bound")
    func discards() {
        var state = replying(hasBody: true)
        _ = state.replyStarted(.chunked, bodyRemaining: nil)
        _ = state.replyEnded()
        let within = state.bodyDiscarded(100)
        let beyond = state.bodyDiscarded(1)
        #expect(within)
        #expect(!beyond)
        #expect(state.dropsBytes)
    }
}
