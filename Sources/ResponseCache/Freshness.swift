package import NIOCore

/// How long an answer may be used (RFC 9111, 4.2; RFC 5861).
package struct Freshness: Sendable, Equatable {
    /// Fresh for so long after it was stored.
    package let timeToLive: TimeAmount
    /// After that, served while one caller fetches it anew.
    package let staleWhileRevalidate: TimeAmount
    /// After that, served where fetching it anew fails.
    package let staleIfError: TimeAmount

    private static let longest = TimeAmount.hours(24 * 366)

    /// Negative spans count as zero, and those above a year as a year.
    package init(timeToLive: Duration, staleWhileRevalidate: Duration = .zero, staleIfError: Duration = .zero) {
        self.init(
            timeToLive: TimeAmount(timeToLive),
            staleWhileRevalidate: TimeAmount(staleWhileRevalidate),
            staleIfError: TimeAmount(staleIfError)
        )
    }

    init(timeToLive: TimeAmount, staleWhileRevalidate: TimeAmount, staleIfError: TimeAmount) {
        self.timeToLive = max(.zero, min(timeToLive, Self.longest))
        self.staleWhileRevalidate = max(.zero, min(staleWhileRevalidate, Self.longest))
        self.staleIfError = max(.zero, min(staleIfError, Self.longest))
    }

    /// How long it is kept: until no rule lets it be used any more.
    var retention: TimeAmount { timeToLive + max(staleWhileRevalidate, staleIfError) }

    func use(atAge age: TimeAmount) -> Use {
        if age < timeToLive { return .fresh }
        if age < timeToLive + staleWhileRevalidate { return .whileRevalidating }
        if age < timeToLive + staleIfError { return .onError }
        return .none
    }

    /// RFC 5861, 4.
    func isUsableOnError(atAge age: TimeAmount) -> Bool {
        staleIfError > .zero && age < timeToLive + staleIfError
    }

    enum Use { case fresh, whileRevalidating, onError, none }
}
