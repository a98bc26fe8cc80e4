import NIOCore
import RedisClient
import Testing

@Suite struct SilenceWatchTests {
    private static let start = NIODeadline.uptimeNanoseconds(1_000)

    @Test("A peer that leaves two questions unanswered is gone at the third quiet look")
    func gone() {
        var watch = SilenceWatch()
        let verdicts = (0..<4).map { _ in watch.look(lastHeard: Self.start) }
        #expect(verdicts == [.fine, .ask, .ask, .gone])
    }

    @Test("One answer makes it start anew")
    func answered() {
        var watch = SilenceWatch()
        let heard: [TimeAmount] = [.zero, .zero, .zero, .seconds(2), .seconds(2), .seconds(2), .seconds(2)]
        let verdicts = heard.map { watch.look(lastHeard: Self.start + $0) }
        #expect(verdicts == [.fine, .ask, .ask, .fine, .ask, .ask, .gone])
    }

    @Test("After a pause of the process, however long, the peer is asked before it is given up")
    func paused() {
        var watch = SilenceWatch()
        let before = watch.look(lastHeard: Self.start)
        // An hour later: nothing was heard, as nobody listened.
        let first = watch.look(lastHeard: Self.start)
        let answered = watch.look(lastHeard: Self.start + .hours(1))
        #expect(before == .fine)
        #expect(first == .ask)
        #expect(answered == .fine)
    }
}
