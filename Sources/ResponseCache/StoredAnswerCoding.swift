internal import NIOCore

/// The form of an answer in Redis, without its body and its time, which are fields of their own.
///
/// Version 1, big-endian: u8 version, u8 flags (bit 0: stream), u16 status, three u64 spans in milliseconds (time to live, stale-while-
/// revalidate, stale-if-error), then route, client and field lines, each behind its u32 length.
enum StoredAnswerCoding {
    private static let version: UInt8 = 1

    static func head(of answer: StoredAnswer) -> ByteBuffer {
        let tags = answer.tags
        var head = ByteBufferAllocator().buffer(
            capacity: 40 + tags.route.utf8.count + tags.client.utf8.count + answer.fields.readableBytes
        )
        head.writeMultipleIntegers(version, UInt8(answer.isStream ? 1 : 0), UInt16(clamping: answer.status))
        for span in [
            answer.freshness.timeToLive, answer.freshness.staleWhileRevalidate, answer.freshness.staleIfError,
        ] {
            head.writeInteger(UInt64(span.nanoseconds / 1_000_000))
        }
        head.writeLengthPrefixedText(tags.route)
        head.writeLengthPrefixedText(tags.client)
        head.writeInteger(UInt32(answer.fields.readableBytes))
        head.writeImmutableBuffer(answer.fields)
        return head
    }

    /// - Returns: `nil` for another version's head or a damaged one: a miss.
    static func answer(head: ByteBuffer, body: ByteBuffer, storedAt: NIODeadline) -> StoredAnswer? {
        var head = head
        guard
            let (version, flags, status) = head.readMultipleIntegers(as: (UInt8, UInt8, UInt16).self),
            version == Self.version,
            let timeToLive = head.readSpan(),
            let staleWhileRevalidate = head.readSpan(),
            let staleIfError = head.readSpan(),
            let route = head.readLengthPrefixedText(),
            let client = head.readLengthPrefixedText(),
            let fieldBytes = head.readInteger(as: UInt32.self),
            let fields = head.readSlice(length: Int(fieldBytes)),
            head.readableBytes == 0
        else { return nil }
        return StoredAnswer(
            status: Int(status),
            fields: fields,
            body: body,
            isStream: flags & 1 == 1,
            storedAt: storedAt,
            freshness: Freshness(
                timeToLive: timeToLive,
                staleWhileRevalidate: staleWhileRevalidate,
                staleIfError: staleIfError
            ),
            tags: CacheTags(route: route, client: client)
        )
    }
}

extension ByteBuffer {
    fileprivate mutating func writeLengthPrefixedText(_ text: String) {
        writeInteger(UInt32(text.utf8.count))
        writeString(text)
    }

    fileprivate mutating func readLengthPrefixedText() -> String? {
        readInteger(as: UInt32.self).flatMap { readString(length: Int($0)) }
    }

    fileprivate mutating func readSpan() -> TimeAmount? {
        readInteger(as: UInt64.self).flatMap { $0 <= UInt64(Int64.max / 1_000_000) ? .milliseconds(Int64($0)) : nil }
    }
}
