/// The latest that the store's clock can show, reckoned from its answers by this process's monotonic clock.
///
/// A call sent at `m` and answered with `T`: the store's time at any later moment `n` is at most `T + (n - m)`, and what
/// the clocks drift. The least over the calls is used, so a slow answer does no harm.
struct StoreClock: Sendable {
    /// Clocks are allowed to drift apart by 500 ppm between two answers.
    private static let driftParts = 2000
    /// A clock that ran ahead by more than this has jumped.
    static let tolerance: Micros = 3_000

    private var offset: Micros?
    private var observedAt: Micros = 0
    /// How long that answer took.
    private var delay: Micros = 0

    var isKnown: Bool { offset != nil }

    /// The store's time at the monotonic time `now`, at the latest; nil before the first answer.
    func latest(at now: Micros) -> Micros? {
        offset.map { now + $0 + max(0, now - observedAt) / Self.driftParts }
    }

    /// - Returns: false where the store's clock jumped ahead; nothing is learned then.
    mutating func observe(_ time: Micros, sent: Micros, now: Micros) -> Bool {
        guard let latest = latest(at: now) else {
            learn(time, sent: sent, now: now)
            return true
        }
        guard time <= latest + Self.tolerance else { return false }
        if let bound = self.latest(at: sent), time < bound { learn(time, sent: sent, now: now) }
        return true
    }

    private mutating func learn(_ time: Micros, sent: Micros, now: Micros) {
        offset = time - sent
        observedAt = sent
        delay = now - sent
    }

    /// By how much the store's time may be before `latest`.
    func slack(at now: Micros) -> Micros { delay + 2 * max(0, now - observedAt) / Self.driftParts }

    mutating func forget() { offset = nil }
}
