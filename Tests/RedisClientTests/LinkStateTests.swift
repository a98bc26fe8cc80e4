import NIOCore
import RedisClient
import Testing

@Suite struct LinkStateTests {
    @Test("It dials, greets and is up")
    func comesUp() {
        var state = LinkState()
        let actions = [state.start(), state.dialled(attempt: 1), state.greeted(attempt: 1)]
        #expect(actions == [.dial(attempt: 1), .greet, .announceUp])
    }

    @Test("Rests grow with each failure in a row, to a quarter of a second, and start small after a success")
    func rests() {
        var state = LinkState()
        _ = state.start()
        var rests: [LinkState.Action] = []
        for _ in 0..<6 {
            rests.append(state.failed(attempt: state.attempt))
            _ = state.rested()
        }
        #expect(
            rests
                == [20, 40, 80, 160, 250, 250].map { .rest(.milliseconds($0), announceDown: false) }
        )
        _ = state.dialled(attempt: state.attempt)
        _ = state.greeted(attempt: state.attempt)
        let afterSuccess = state.failed(attempt: state.attempt)
        #expect(afterSuccess == .rest(.milliseconds(20), announceDown: true))
    }

    @Test("Servers that let in and are of no use are tried ever more slowly, until one has been up for a while")
    func relapses() {
        var state = LinkState()
        var action = state.start()
        func loseAtOnce(settling: Bool) -> LinkState.Action {
            _ = state.dialled(attempt: state.attempt)
            _ = state.greeted(attempt: state.attempt)
            if settling { state.settled() }
            let rest = state.failed(attempt: state.attempt)
            action = state.rested()
            return rest
        }
        let rests = (0..<6).map { _ in loseAtOnce(settling: false) }
        #expect(rests == [20, 40, 80, 160, 250, 250].map { .rest(.milliseconds($0), announceDown: true) })
        let settled = loseAtOnce(settling: true)
        #expect(settled == .rest(.milliseconds(20), announceDown: true))
        #expect(action == .dial(attempt: 8))
    }

    @Test("Word of an older attempt changes nothing")
    func stale() {
        var state = LinkState()
        _ = state.start()
        _ = state.failed(attempt: 1)
        _ = state.rested()
        let dialled = state.dialled(attempt: 1)
        let greeted = state.greeted(attempt: 1)
        let failed = state.failed(attempt: 1)
        #expect(dialled == .hangUp(announceDown: false))
        #expect(greeted == .none)
        #expect(failed == .none)
        let current = state.dialled(attempt: 2)
        #expect(current == .greet)
    }

    @Test("After closing nothing is dialled, whatever is still under way")
    func closed() {
        var state = LinkState()
        _ = state.start()
        _ = state.dialled(attempt: 1)
        _ = state.greeted(attempt: 1)
        let closed = state.close()
        let later = [
            state.failed(attempt: 1), state.rested(), state.start(), state.greeted(attempt: 1), state.close(),
        ]
        #expect(closed == .hangUp(announceDown: true))
        #expect(later == Array(repeating: .none, count: 5))
    }

    @Test("A dial that succeeds after closing is hung up")
    func closedWhileDialling() {
        var state = LinkState()
        _ = state.start()
        _ = state.close()
        let dialled = state.dialled(attempt: 1)
        #expect(dialled == .hangUp(announceDown: false))
    }
}
