import Pacing

/// Whoever is first in order goes when its buckets were first expected to have room for it: others pass only where they
/// do not delay it. For schedules of one user, whose calls of one urgency go in their order whatever buckets they need,
/// in which nothing fails and no estimate falls short.
final class ReservationOracle {
    private let world: World
    /// How much later than expected: timers and messages, and a rate that moves a little.
    private let slack: Micros
    private var first: (ticket: QueueTicket, fits: Micros)?

    init(world: World, longest: Micros) {
        self.world = world
        slack = 300_000 + longest / 5
    }

    /// Another urgency may go before it, or be owed a slot.
    func granted(_ ticket: QueueTicket) {
        if let first, first.ticket.lane.urgency != ticket.lane.urgency { self.first = nil }
    }

    /// After each call.
    func look(_ state: QueueState, now: Micros) {
        guard let found = state.firstInOrder(at: now) else {
            first = nil
            return
        }
        guard let first, first.ticket === found.ticket else {
            self.first = found
            return
        }
        if now > first.fits + slack {
            world.fail("\(found.ticket.id) is first in order and delayed by \(now - first.fits)")
        }
    }
}
