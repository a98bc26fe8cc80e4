import NIOCore
import RedisClient
import Testing

@Suite struct MapScheduleTests {
    @Test("One question at a time, and another after it for who wanted one meanwhile")
    func oneAtATime() {
        var schedule = MapSchedule()
        let first = schedule.wanted()
        let second = schedule.wanted()
        let answer = schedule.answered(isWell: true)
        let third = schedule.wanted()
        let next = schedule.woken()
        let done = schedule.answered(isWell: true)
        #expect(first == .ask)
        #expect(second == .none)
        #expect(answer == .wake(MapSchedule.shortest))
        #expect(third == .none)
        #expect(next == .ask)
        #expect(done == .wake(MapSchedule.calm))
    }

    @Test("While something is amiss it asks ever more slowly, and then patiently")
    func amiss() {
        var schedule = MapSchedule()
        _ = schedule.wanted()
        var waits: [TimeAmount] = []
        for _ in 0..<60 {
            if case .wake(let time) = schedule.answered(isWell: false) { waits.append(time) }
            _ = schedule.woken()
        }
        #expect(waits.prefix(4) == [.milliseconds(40), .milliseconds(80), .milliseconds(160), .milliseconds(250)])
        #expect(waits.dropFirst(4).prefix(40).allSatisfy { $0 == MapSchedule.longest })
        #expect(waits.last == .seconds(1))
        let well = schedule.answered(isWell: true)
        #expect(well == .wake(MapSchedule.calm))
    }

    @Test("A need is met at once where all was well")
    func calm() {
        var schedule = MapSchedule()
        _ = schedule.wanted()
        _ = schedule.answered(isWell: true)
        let action = schedule.wanted()
        #expect(action == .ask)
    }
}
