/// The right, and the duty, to fetch an answer. Loop-confined to the lane that handed it out.
///
/// Its holder calls `complete` or `fail` once; a token that is dropped before counts as failed, so that nobody waits for nothing.
package final class FillToken {
    /// How a call ended that brought no answer to store.
    package enum Failure: Sendable {
        /// A 4xx other than 429: it answers all who wait.
        case clientError(StoredAnswer)
        /// An answer that is not to be shared, or too large: each who waits fetches for itself.
        case notShareable
        /// Anything else: one of those who wait fetches next, or all get the stale copy. The status that came, if one came.
        case other(status: Int?)
    }

    let key: CacheKey
    let tags: CacheTags
    let stamp: GenerationStamp
    /// `nil`: led without a lock or without others, for `no-cache`.
    let flight: (number: UInt64, owner: LaneHandle)?
    /// Where nobody holds a lock: under which generations Redis takes the answer; `nil`: memory only.
    let generations: String?
    /// The holder's own ticket; `nil` once it has left, and for a revalidation.
    var ticket: UInt64?
    let isRevalidation: Bool
    private let lane: CacheLane
    private var isOpen = true

    /// The copy to answer with where fetching fails (RFC 5861, 4), as of when the token was made.
    package let staleCopy: StoredAnswer?
    /// Called, on the lane's loop, when the last caller of all replicas has left: cancel the upstream call. Nothing is to be told any more.
    package var onAbandoned: (() -> Void)?

    init(
        lane: CacheLane,
        key: CacheKey,
        tags: CacheTags,
        stamp: GenerationStamp,
        flight: (number: UInt64, owner: LaneHandle)?,
        generations: String?,
        ticket: UInt64?,
        isRevalidation: Bool,
        staleCopy: StoredAnswer?
    ) {
        self.lane = lane
        self.key = key
        self.tags = tags
        self.stamp = stamp
        self.flight = flight
        self.generations = generations
        self.ticket = ticket
        self.isRevalidation = isRevalidation
        self.staleCopy = staleCopy
    }

    deinit {
        fail(.other(status: nil))
    }

    /// The call brought a complete 200. It is kept, and answers all who wait; storing in Redis goes on behind.
    package func complete(_ answer: StoredAnswer) {
        guard close() else { return }
        guard answer.contentBytes <= lane.cache.settings.maximumEntry else {
            return lane.filled(flight, .failed(.notShareable), leader: ticket)
        }
        lane.keep(answer, key: key, stamp: stamp)
        lane.count(.stored)
        if flight == nil {
            lane.storeUnlocked(answer, key: key, generations: generations)
        } else {
            lane.filled(flight, .completed(answer), leader: ticket)
        }
    }

    package func fail(_ failure: Failure) {
        guard close() else { return }
        lane.filled(flight, .failed(failure), leader: ticket)
    }

    /// The holder's caller has gone. The call goes on while others wait for it; `onAbandoned` tells when nobody does.
    package func callerLeft() {
        guard isOpen, !isRevalidation, let ticket else { return }
        self.ticket = nil
        if flight == nil {
            abandon()
        } else {
            lane.depart(key, ticket: ticket)
        }
    }

    /// Calls `onAbandoned`, once: what it holds is let go.
    package func giveUp() {
        let cancel = onAbandoned
        onAbandoned = nil
        cancel?()
    }

    func abandon() {
        guard close() else { return }
        lane.count(.abandoned)
        giveUp()
    }

    private func close() -> Bool {
        defer { isOpen = false }
        if isOpen, let flight { lane.forget(flight.number) }
        return isOpen
    }
}

/// A stale answer was served; whoever wants to may fetch it anew, one call over all replicas.
package final class Revalidation {
    private let key: CacheKey
    private let tags: CacheTags
    private let lane: CacheLane

    init(lane: CacheLane, key: CacheKey, tags: CacheTags) {
        self.lane = lane
        self.key = key
        self.tags = tags
    }

    /// - Parameter body: called on the lane's loop, at once or later: with a token if this caller is the one, else with `nil`.
    package func acquire(_ body: @escaping (FillToken?) -> Void) {
        lane.revalidate(key, tags: tags, body)
    }
}
