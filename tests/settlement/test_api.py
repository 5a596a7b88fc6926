async def test_smoke(client, small_city):
    r = await client.get("/v1/me", headers=small_city.bearer("alder"))
    assert r.status_code == 200, r.text
    r = await client.get("/v1/me/usage", headers=small_city.bearer("alder"))
    assert r.status_code == 200, r.text
