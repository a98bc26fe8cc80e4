internal import Glibc

/// An address that can be dialled without looking anything up.
struct PostgresAddress: Equatable, Sendable {
    let host: PostgresEndpoint.Host
    /// Numeric; nil for a Unix socket.
    let address: String?
}

extension PostgresEndpoint.Host {
    /// All addresses of the host, in the resolver's order. `getaddrinfo` blocks, so it runs on a thread of its own.
    func addresses() async throws(PostgresError) -> [PostgresAddress] {
        if isSocketDirectory { return [PostgresAddress(host: self, address: nil)] }
        if let address { return [PostgresAddress(host: self, address: address)] }
        let name = name
        let (status, found) = await BlockingCall.run { resolve(name) }
        guard status == 0, !found.isEmpty else {
            throw .unreachable("\(name): \(String(cString: gai_strerror(status)))")
        }
        return found.map { PostgresAddress(host: self, address: $0) }
    }
}

private func resolve(_ name: String) -> (status: Int32, addresses: [String]) {
    var hints = addrinfo()
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    hints.ai_flags = Int32(AI_ADDRCONFIG)
    var list: UnsafeMutablePointer<addrinfo>?
    let status = getaddrinfo(name, nil, &hints, &list)
    guard status == 0 else { return (status, []) }
    defer { freeaddrinfo(list) }
    var addresses: [String] = []
    var entry = list
    while let info = entry?.pointee {
        var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
        let status = getnameinfo(info.ai_addr, info.ai_addrlen, &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST)
        if status == 0 {
            let address = String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
            if !addresses.contains(address) { addresses.append(address) }
        }
        entry = info.ai_next
    }
    return (0, addresses)
}
