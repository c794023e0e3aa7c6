// A page's fetch: it keeps cookies, says where it comes from, and remembers what went to and fro.

export class Browser {
  cookies = new Map();
  seen = [];

  constructor(origin) {
    this.origin = origin;
  }

  fetch = async (address, options = {}) => {
    const request = new Request(address, options);
    request.headers.set('origin', this.origin);
    if (this.cookies.size) {
      const pairs = [...this.cookies].map((pair) => pair.join('='));
      request.headers.set('cookie', pairs.join('; '));
    }
    const body = request.method === 'GET' ? null : await request.clone().text();
    const response = await fetch(request);
    for (const line of response.headers.getSetCookie()) this.#keep(line);
    this.seen.push({
      method: request.method,
      query: Object.fromEntries(new URL(request.url).searchParams),
      body: body && JSON.parse(body),
      accept: request.headers.get('accept'),
      status: response.status,
      type: response.headers.get('content-type'),
    });
    return response;
  };

  #keep(line) {
    const [pair, ...attributes] = line.split('; ');
    const [name, value] = pair.split(/=(.*)/s);
    if (attributes.includes('Max-Age=0')) this.cookies.delete(name);
    else this.cookies.set(name, value);
  }
}
