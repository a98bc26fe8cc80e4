internal import Hashing
package import NIOCore

/// Clients by the digest of their key: the key itself is not kept, and nothing can be learned from how long a look-up takes.
package struct ClientKeys: Sendable {
    package struct Entry: Sendable {
        package let index: Int
        package let client: Configuration.Client
    }

    private let byDigest: [[UInt8]: Entry]

    package init(clients: [Configuration.Client]) {
        var entries: [[UInt8]: Entry] = [:]
        for (index, client) in clients.enumerated() {
            entries[client.keyDigest] = Entry(index: index, client: client)
        }
        byDigest = entries
    }

    /// Cost: one SHA-256 of a short key.
    package func client(withKey key: ByteBufferView) -> Entry? {
        let hasher = SHA256Hasher()
        hasher.update(key)
        return byDigest[hasher.finish().bytes]
    }
}

/// Remembers the last key that a connection sent, as SDKs send the same one with every call.
package struct KeyMemo {
    private var key = ByteBuffer()
    private var entry: ClientKeys.Entry?
    private var isSet = false

    package init() {}

    package mutating func client(withKey view: ByteBufferView, in keys: ClientKeys) -> ClientKeys.Entry? {
        if isSet, key.readableBytesView == view { return entry }
        entry = keys.client(withKey: view)
        key = ByteBuffer(view)
        isSet = true
        return entry
    }
}
