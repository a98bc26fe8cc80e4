internal import Dialects
internal import HTTPWire
internal import Hashing
package import NIOCore

/// The fields of a call as its upstream gets them, one "Name: value" line each.
///
/// Towards Gemini and Pinecone go only the content's own fields and the SDK's: no caller's address, cookie or user
/// leaves the house. Towards anything else all goes on that is not of the connection (RFC 9110, 7.6.1).
package enum UpstreamFields {
    /// - Parameter timeLeft: until the caller's own deadline; passed on as X-Server-Timeout.
    package static func make(for request: OutboundRequest, timeLeft: TimeAmount?, worker: Worker) -> ByteBuffer {
        var fields = ReplyFields(capacity: 1024)
        let upstream = request.upstream
        let block = request.head.fields
        let isHTTP = upstream.dialect == .http
        // A key that the gateway knows stays here, and none goes beside the gateway's own.
        let hasOwnKey = request.caller.client != nil || !upstream.key.isEmpty
        if isHTTP {
            fields.add(block) { field in
                guard let field else { return true }
                return !isOurs(field) && !(request.beats && field == .acceptEncoding)
                    && !CallerKey.holdsKey(field, dialect: .http, isKnown: hasOwnKey)
            }
            // Behind signs of life nobody could be told of a coding any more.
            if request.beats { fields.add(line: "accept-encoding: identity\r\n") }
        } else {
            fields.add(block, known: upstream.forwardedFields) { upstream.dialect.forwards($0) }
            // Kept answers are replayed to every caller, and usage is read from them.
            fields.add(line: "accept-encoding: identity\r\n")
        }

        if !upstream.key.isEmpty {
            fields.buffer.writeString(request.shape.isOpenAI ? upstream.openAIKeyLine : upstream.keyLine)
        }
        request.requestID.write(to: &fields)
        if let via = block.string(.via) {
            fields.add("via", via + ", 1.1 sluice")
        } else {
            fields.add(line: "via: 1.1 sluice\r\n")
        }
        if let parent = block.string(.traceparent) {
            fields.add("traceparent", TraceParent.continued(parent, random: &worker.random))
        }
        if let timeLeft, block.contains(.xServerTimeout) {
            fields.add("x-server-timeout", "\(max(1, timeLeft.nanoseconds / 1_000_000_000))")
        }
        if isHTTP { addForwarded(request, into: &fields, worker: worker) }
        return fields.buffer
    }

    /// Of the known fields, those that a caller's request brings to an upstream of dialect Gemini or Pinecone.
    static func forwarded(to dialect: Dialect) -> KnownFieldSet {
        KnownFieldSet { field in
            !isOurs(field) && dialect.forwards(ByteBuffer(staticString: field.name).readableBytesView)
        }
    }

    /// What this hop says itself.
    private static func isOurs(_ field: KnownField) -> Bool {
        switch field {
        case .host, .contentLength, .expect, .xRequestID, .traceparent, .via, .xServerTimeout, .xForwardedFor,
            .xForwardedProto, .xForwardedHost, .xUserID, .xSluiceSignature:
            true
        default: false
        }
    }

    private static func addForwarded(_ request: OutboundRequest, into fields: inout ReplyFields, worker: Worker) {
        let block = request.head.fields
        let caller = request.caller
        let trusted = worker.plan.addresses.trusts(caller.peerAddress)
        if trusted, let chain = block.string(.xForwardedFor) {
            fields.add("x-forwarded-for", caller.peerAddress.isEmpty ? chain : "\(chain), \(caller.peerAddress)")
        } else {
            fields.add("x-forwarded-for", caller.peerAddress.isEmpty ? caller.fullAddress : caller.peerAddress)
        }
        fields.add("x-forwarded-proto", (trusted ? block.string(.xForwardedProto) : nil) ?? "http")
        if let host = (trusted ? block.string(.xForwardedHost) : nil) ?? block.string(.host) {
            fields.add("x-forwarded-host", host)
        }
        guard !request.upstream.identitySecret.isEmpty, let user = caller.user else { return }
        fields.add("x-user-id", user)
        let stamp = WallClock.seconds()
        let path = String(buffer: request.upstream.target(for: request.head, stripping: request.route.stripPrefix))
        let message = "\(stamp)\n\(request.head.method.name)\n\(path)\n\(user)"
        let digest = hmacSHA256(key: Array(request.upstream.identitySecret.utf8), message: Array(message.utf8))
        fields.add("x-sluice-signature", "t=\(stamp),v1=\(digest.hex)")
    }
}

/// W3C Trace Context: the trace goes on, with this hop as the parent of what follows.
package enum TraceParent {
    /// - Returns: the field unchanged where it is not of a form that is known here.
    package static func continued(_ value: String, random: inout some RandomNumberGenerator) -> String {
        let parts = value.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count >= 4, parts[0].utf8.count == 2, parts[1].utf8.count == 32, parts[2].utf8.count == 16 else {
            return value
        }
        var span = random.next()
        while span == 0 { span = random.next() }
        let digits = String(span, radix: 16)
        let hex = String(repeating: "0", count: 16 - digits.count) + digits
        return ([parts[0], parts[1], Substring(hex)] + parts[3...]).joined(separator: "-")
    }
}
