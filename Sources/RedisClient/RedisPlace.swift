/// Where a server listens.
package enum RedisPlace: Hashable, Sendable {
    case tcp(host: String, port: Int)
    case unix(path: String)
}

extension RedisPlace: CustomStringConvertible {
    package var description: String {
        switch self {
        case .tcp(let host, let port): "\(host):\(port)"
        case .unix(let path): path
        }
    }
}
