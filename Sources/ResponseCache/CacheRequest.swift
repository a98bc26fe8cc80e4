package import NIOCore

/// One caller's question to the cache.
package struct CacheRequest {
    package var key: CacheKey
    package var tags: CacheTags
    package var directives: RequestDirectives
    /// Until when the caller waits for another's call; `nil`: as long as that takes.
    package var deadline: NIODeadline?

    package init(
        key: CacheKey,
        tags: CacheTags,
        directives: RequestDirectives = RequestDirectives(),
        deadline: NIODeadline? = nil
    ) {
        self.key = key
        self.tags = tags
        self.directives = directives
        self.deadline = deadline
    }
}

/// What a request's `Cache-Control` asks for (RFC 9111, 5.2.1).
package struct RequestDirectives: Sendable, Equatable {
    /// Fetch anew; the answer is stored.
    package var noCache = false
    /// Use what is stored, but store nothing of this call.
    package var noStore = false
    /// Use what is stored, but fetch nothing.
    package var onlyIfCached = false
    /// Use nothing older, and nothing stale.
    package var maximumAge: TimeAmount?

    package init() {}

    /// Reads the field's value. Directives that are not known are ignored; a `max-age` without a number counts as 0, as RFC 9111, 4.2.1
    /// encourages for what cannot be understood.
    /// - Parameter value: all lines, joined by commas.
    package init(parsing value: ByteBufferView) {
        for part in value.split(separator: UInt8(ascii: ",")) {
            let directive = Self.trimmed(part)
            let name = directive.prefix { $0 != UInt8(ascii: "=") }
            switch String(decoding: name, as: UTF8.self).lowercased() {
            case "no-cache": noCache = true
            case "no-store": noStore = true
            case "only-if-cached": onlyIfCached = true
            case "max-age":
                let digits = directive.dropFirst(name.count + 1).filter { $0 != UInt8(ascii: "\"") }
                // Above the longest freshness any number says the same.
                let seconds = Int64(String(decoding: digits, as: UTF8.self)) ?? 0
                maximumAge = .seconds(max(0, min(seconds, 1 << 31)))
            default: break
            }
        }
    }

    private static func trimmed(_ bytes: ByteBufferView) -> ByteBufferView {
        var bytes = bytes.drop { $0 == 0x20 || $0 == 0x09 }
        while let last = bytes.last, last == 0x20 || last == 0x09 { bytes = bytes.dropLast() }
        return bytes
    }
}

/// What became of a question. Delivered once.
package enum CacheOutcome {
    /// Answer with this: fresh, or stale while it is fetched anew.
    case hit(CacheHit)
    /// Fetch it and tell the token what became of it.
    case lead(FillToken)
    /// Another's call brought this: a 200 of now, or a 4xx.
    case collapsed(StoredAnswer)
    /// Fetching failed with this status (`nil`: no answer at all); a stale copy may be used (RFC 5861, 4).
    case staleOnError(StoredAnswer, failedStatus: Int?)
    /// Fetch it for yourself only: `no-store`, or an answer that is not to be shared.
    case uncached
    /// `only-if-cached`, and it is not: 504 (RFC 9111, 5.2.1.7).
    case notCached
    /// The request's deadline passed while another's call was waited for.
    case deadlinePassed
}

/// An answer from the cache, as of the moment it was found.
package struct CacheHit {
    package let answer: StoredAnswer
    package let age: TimeAmount
    /// Below zero: stale.
    package let remaining: TimeAmount
    /// Set for the one caller that is to fetch a stale answer anew; it may be ignored.
    package let revalidation: Revalidation?
}

/// A question begun.
package enum CacheLookup {
    /// Known at once; the callback is not called.
    case answered(CacheOutcome)
    /// The callback will be called, on the lane's loop, unless the caller leaves before.
    case pending(CacheTicket)
}
