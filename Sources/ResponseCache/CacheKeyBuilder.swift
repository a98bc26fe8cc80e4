internal import Hashing
package import NIOCore

/// Everything that decides an answer. Bytes as they came; nothing is decoded or copied before the hash.
package struct KeyComponents {
    /// Whose answers these are; `nil` where the route's cache has scope "shared".
    package var tenant: String?
    package var route: String
    package var upstream: String
    package var method: String
    package var path: ByteBufferView
    /// Without the "?"; an empty one counts as none.
    package var query: ByteBufferView?
    package var contentType: ByteBufferView?
    /// Value of the header by which the dialect's clients choose an API version.
    package var version: ByteBufferView?
    /// Values of other request fields that the answer varies by (RFC 9111, 4.1), joined by the caller in a fixed order.
    package var variant: ByteBufferView?
    package var body: ByteBuffer

    package init(
        tenant: String?,
        route: String,
        upstream: String,
        method: String,
        path: ByteBufferView,
        query: ByteBufferView? = nil,
        contentType: ByteBufferView? = nil,
        version: ByteBufferView? = nil,
        variant: ByteBufferView? = nil,
        body: ByteBuffer = ByteBuffer()
    ) {
        self.tenant = tenant
        self.route = route
        self.upstream = upstream
        self.method = method
        self.path = path
        self.query = query
        self.contentType = contentType
        self.version = version
        self.variant = variant
        self.body = body
    }
}

/// Makes cache keys. One event loop owns it; a 1 KiB JSON body costs a few microseconds and, once its arrays have grown, no allocation.
package final class CacheKeyBuilder {
    private let hasher = SHA256Hasher()
    private let maximumBody: Int
    private let keyParameters: [[UInt8]]
    private var json = CanonicalJSON()
    private var head = ByteBuffer()

    /// - Parameters:
    ///   - maximumBody: bytes; a longer one gives no key. At most `UInt32.max`.
    ///   - keyParameters: names of query parameters that carry credentials.
    package init(maximumBody: Int, keyParameters: [String] = ["key"]) {
        precondition(maximumBody <= Int(UInt32.max))
        self.maximumBody = maximumBody
        self.keyParameters = keyParameters.map { Array($0.utf8) }
    }

    /// - Throws: why this call cannot be cached; it goes on uncached.
    package func key(for components: KeyComponents) throws(UncacheableBody) -> CacheKey {
        guard components.body.readableBytes <= maximumBody else { throw .tooLarge }
        head.clear()
        // Another layout must never meet the entries of this one.
        head.writeStaticString("c1")
        append(components.tenant)
        append(components.route)
        append(components.upstream)
        append(components.method)
        append(components.path)
        appendQuery(components.query)
        append(components.contentType)
        append(components.version)
        append(components.variant)
        let isJSON = components.body.readableBytes > 0 && Self.isJSON(components.contentType)
        head.writeInteger(UInt8(isJSON ? 1 : 0))
        hasher.update(head)
        if isJSON {
            do {
                try json.feed(components.body, to: hasher)
            } catch {
                hasher.reset()
                throw error
            }
        } else {
            hasher.update(count: components.body.readableBytes)
            hasher.update(components.body)
        }
        return CacheKey(hasher.finish())
    }

    private static let jsonTypes = ["application/json", "text/json"].map { Array($0.utf8) }
    private static let jsonSuffix = Array("+json".utf8)

    /// `application/json`, `text/json` and structured `+json` types (RFC 6839), whatever their parameters.
    private static func isJSON(_ contentType: ByteBufferView?) -> Bool {
        guard let contentType else { return false }
        var type = contentType.prefix { $0 != UInt8(ascii: ";") }
        while let last = type.last, last == 0x20 || last == 0x09 { type = type.dropLast() }
        return jsonTypes.contains { equals(type, $0) } || equals(type.suffix(jsonSuffix.count), jsonSuffix)
    }

    private static func equals(_ bytes: ByteBufferView, _ lowercased: [UInt8]) -> Bool {
        bytes.elementsEqual(lowercased) { byte, expected in
            byte == expected || byte >= 0x41 && byte <= 0x5A && byte | 0x20 == expected
        }
    }

    private func append(_ text: String?) {
        guard let text else { return appendNothing() }
        head.writeInteger(UInt32(text.utf8.count))
        head.writeString(text)
    }

    private func append(_ bytes: ByteBufferView?) {
        guard let bytes else { return appendNothing() }
        head.writeInteger(UInt32(bytes.count))
        head.writeBytes(bytes)
    }

    /// A length that no component has, so that "none" and "empty" differ.
    private func appendNothing() {
        head.writeInteger(UInt32.max)
    }

    /// The query without its key parameters, the others in their order.
    private func appendQuery(_ query: ByteBufferView?) {
        let start = head.writerIndex
        head.writeInteger(UInt32(0))
        guard let query else { return }
        var rest = query
        while let first = rest.first {
            let parameter = rest.prefix { $0 != UInt8(ascii: "&") }
            let isLast = parameter.endIndex == rest.endIndex
            rest = rest[(isLast ? parameter.endIndex : parameter.endIndex + 1)...]
            let name = parameter.prefix { $0 != UInt8(ascii: "=") }
            if first != UInt8(ascii: "&"), keyParameters.contains(where: { $0.elementsEqual(name) }) { continue }
            head.writeBytes(parameter)
            head.writeInteger(UInt8(ascii: "&"))
        }
        head.setInteger(UInt32(head.writerIndex - start - 4), at: start)
    }
}
