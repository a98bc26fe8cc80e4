package import HTTPWire
package import NIOCore

/// Writes the fields that the gateway adds to every answer: request id, Via, limits, cache status, timings.
package struct ReplyFieldsBuilder {
    package var fields: ReplyFields

    /// What the gateway adds takes no more, but for long names and many limits.
    package static let usualRoom = 448

    package init(capacity: Int = usualRoom) {
        fields = ReplyFields(capacity: capacity)
    }

    /// - Parameter fields: those of a kept answer.
    package init(adding fields: consuming ReplyFields) {
        self.fields = fields
    }

    /// The fields, to be written to by nobody else: they are completed in place.
    package consuming func take() -> ReplyFields { fields }

    /// An upstream's fields, less those of its connection and those that the gateway says itself.
    package mutating func addUpstream(_ block: FieldBlock, limitsAreOurs: Bool) {
        fields.add(block) { field in
            switch field {
            case .xRequestID: false
            case .rateLimit, .rateLimitPolicy: !limitsAreOurs
            default: true
            }
        }
    }

    package mutating func addNotes(_ notes: ResponseNotes, timings: CallTimings, gatewayTime: TimeAmount) {
        addEarlyNotes(notes)
        if let status = notes.cacheStatus { addCacheStatus(status) }
        addServerTiming(timings, gateway: gatewayTime)
    }

    /// What is known before the call's outcome: all that an answer tells that a heartbeat begins.
    package mutating func addEarlyNotes(_ notes: ResponseNotes) {
        notes.requestID.write(to: &fields)
        fields.add(line: "via: 1.1 sluice\r\n")
        addLimits(notes.limits)
        if let wait = notes.preferredWait { fields.add("preference-applied", "wait=\(wait)") }
        if let cookie = notes.setCookie { fields.add("set-cookie", cookie) }
    }

    package mutating func addRetryAfter(_ wait: TimeAmount) {
        fields.add("retry-after", wait.wholeSecondsUp)
    }

    /// The limit nearest to exhaustion first (draft-ietf-httpapi-ratelimit-headers-11).
    private mutating func addLimits(_ limits: [LimitNote]) {
        guard !limits.isEmpty else { return }
        let ordered = limits.count == 1 ? limits : limits.sorted { $0.nearness < $1.nearness }
        fields.addWritten("ratelimit-policy") { buffer in
            for (index, limit) in ordered.enumerated() {
                if index > 0 { buffer.writeText(", ") }
                buffer.writeText("\"")
                buffer.writeString(limit.name)
                buffer.writeText("\";q=")
                buffer.writeDecimal(limit.burst)
                buffer.writeText(";w=")
                buffer.writeDecimal(limit.window)
            }
        }
        fields.addWritten("ratelimit") { buffer in
            for (index, limit) in ordered.enumerated() {
                if index > 0 { buffer.writeText(", ") }
                buffer.writeText("\"")
                buffer.writeString(limit.name)
                buffer.writeText("\";r=")
                buffer.writeDecimal(limit.remaining)
                buffer.writeText(";t=")
                buffer.writeDecimal(limit.resetAfter)
            }
        }
    }

    private mutating func addCacheStatus(_ status: CacheStatus) {
        switch status {
        case .hit(let ttl): fields.add("cache-status", "sluice; hit; ttl=\(ttl)")
        case .miss(let stored): fields.add("cache-status", stored ? "sluice; fwd=miss; stored" : "sluice; fwd=miss")
        case .collapsed: fields.add("cache-status", "sluice; fwd=miss; collapsed")
        case .staleOnError(let code): fields.add("cache-status", "sluice; fwd=stale; fwd-status=\(code)")
        case .request: fields.add("cache-status", "sluice; fwd=request")
        case .method: fields.add("cache-status", "sluice; fwd=method")
        case .bypass: fields.add("cache-status", "sluice; fwd=bypass")
        case .onlyIfCached: fields.add("cache-status", "sluice; detail=only-if-cached")
        }
    }

    /// Milliseconds with one decimal; upstream until its first byte.
    private mutating func addServerTiming(_ timings: CallTimings, gateway: TimeAmount) {
        fields.addWritten("server-timing") { buffer in
            if timings.calledUpstream || timings.queue > .zero || timings.upstream > .zero {
                buffer.writeText("queue;dur=")
                buffer.writeMilliseconds(timings.queue)
                buffer.writeText(", upstream;dur=")
                buffer.writeMilliseconds(timings.upstream)
                buffer.writeText(", ")
            }
            buffer.writeText("gateway;dur=")
            buffer.writeMilliseconds(gateway)
        }
    }
}

extension LimitNote {
    /// What is left as a part of the whole: the least is nearest to exhaustion.
    fileprivate var nearness: Double { Double(remaining) / Double(max(burst, 1)) }
}

extension ByteBuffer {
    /// Tenths of a millisecond, `812.4`.
    package mutating func writeMilliseconds(_ time: TimeAmount) {
        let tenths = Int(max(0, time.nanoseconds)) / 100_000
        writeDecimal(tenths / 10)
        writeText(".")
        writeDecimal(tenths % 10)
    }
}

extension ReplyFields {
    /// A field whose value is written in place, without a `String`.
    fileprivate mutating func addWritten(_ name: StaticString, _ writeValue: (inout ByteBuffer) -> Void) {
        buffer.writeText(name)
        buffer.writeText(": ")
        writeValue(&buffer)
        buffer.writeText("\r\n")
    }
}
