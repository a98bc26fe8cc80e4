package import NIOCore

/// What a purge can name an answer by.
package struct CacheTags: Sendable, Hashable {
    package let route: String
    /// Empty where clients share their answers: then none of them owns one.
    package let client: String

    package init(route: String, client: String) {
        self.route = route
        self.client = client
    }
}

/// A complete answer as it is replayed. Immutable, so that a hit on any event loop is one retain.
package final class StoredAnswer: Sendable {
    package let status: Int
    /// "Name: value\r\n" lines (RFC 9112, 5), without the empty line after them.
    package let fields: ByteBuffer
    package let body: ByteBuffer
    /// It came as a stream and is replayed as one.
    package let isStream: Bool
    /// By this process's monotonic clock; for an answer from Redis, its age was told by Redis.
    package let storedAt: NIODeadline
    package let freshness: Freshness
    package let tags: CacheTags

    package init(
        status: Int,
        fields: ByteBuffer,
        body: ByteBuffer,
        isStream: Bool = false,
        storedAt: NIODeadline,
        freshness: Freshness,
        tags: CacheTags
    ) {
        self.status = status
        self.fields = fields
        self.body = body
        self.isStream = isStream
        self.storedAt = storedAt
        self.freshness = freshness
        self.tags = tags
    }

    package func age(at now: NIODeadline) -> TimeAmount { max(.zero, now - storedAt) }

    /// Below zero once it is stale, as `Cache-Status: …; ttl=` tells it (RFC 9211, 2.4).
    package func remaining(at now: NIODeadline) -> TimeAmount { freshness.timeToLive - age(at: now) }

    /// Bytes of the answer itself, which `max_entry` bounds.
    package var contentBytes: Int { fields.readableBytes + body.readableBytes }

    /// The same in one allocation of its own: slices of network buffers would hold much more memory than is counted.
    func compacted() -> StoredAnswer {
        var bytes = ByteBufferAllocator().buffer(capacity: contentBytes)
        bytes.writeImmutableBuffer(fields)
        bytes.writeImmutableBuffer(body)
        let split = fields.readableBytes
        return StoredAnswer(
            status: status,
            fields: bytes.getSlice(at: 0, length: split) ?? fields,
            body: bytes.getSlice(at: split, length: body.readableBytes) ?? body,
            isStream: isStream,
            storedAt: storedAt,
            freshness: freshness,
            tags: tags
        )
    }
}
