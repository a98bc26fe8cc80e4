internal import NIOCore

/// One key being fetched or waited for by this process. Confined to the loop of the lane that began it.
final class Flight {
    enum State {
        /// Redis was asked.
        case asking
        /// Another replica fetches, under this token.
        case waiting(leader: String)
        /// A caller of this process fetches.
        case leading(FlightCaller?)
    }

    let key: CacheKey
    let number: UInt64
    let tags: CacheTags
    /// Taken before anything was asked, so that a purge in the meantime counts.
    let stamp: GenerationStamp
    let maximumAge: TimeAmount?
    var state = State.asking
    /// Redis's generations when the lock was got; `nil`: led in this process only.
    var generations: String?
    var staleCopy: StoredAnswer?
    var timer: Scheduled<Void>?
    /// A leader ended while Redis was being asked.
    var wokenWhileAsking = false
    /// Redis is being asked whether anybody still waits.
    var isChecking = false
    /// Set for a revalidation: nobody waits for it, and it is not given up for that.
    var revalidation: ((FillToken?) -> Void)?
    var isRevalidation = false

    init(key: CacheKey, number: UInt64, tags: CacheTags, stamp: GenerationStamp, maximumAge: TimeAmount?) {
        self.key = key
        self.number = number
        self.tags = tags
        self.stamp = stamp
        self.maximumAge = maximumAge
    }
}

/// What a flight's owner tells a caller's lane.
enum FlightNews: Sendable {
    case hit(StoredAnswer, mayRevalidate: Bool)
    case lead(FlightGrant)
    case collapsed(StoredAnswer)
    case staleOnError(StoredAnswer, failedStatus: Int?)
    case alone
    /// Ask once more: what ended was no answer for this caller.
    case again
}

struct FlightGrant: Sendable {
    let key: CacheKey
    let tags: CacheTags
    let stamp: GenerationStamp
    let flight: UInt64
    let owner: LaneHandle
    let staleCopy: StoredAnswer?
}

/// What a token's holder tells the flight's owner.
enum FillResult: Sendable {
    case completed(StoredAnswer)
    case failed(FillToken.Failure)
}
